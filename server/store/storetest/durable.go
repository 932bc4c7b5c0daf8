package storetest

var durableCases []testCase
