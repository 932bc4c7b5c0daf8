package storetest

var recordCases []testCase
