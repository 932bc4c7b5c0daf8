// Package oapi pins oapi-codegen and what the code that it makes needs: CI makes a client of openapi.yaml in a copy of
// this module and compiles it.
package oapi

// What the generated code imports.
import (
	_ "github.com/oapi-codegen/runtime"
	_ "github.com/oapi-codegen/runtime/types"
	_ "go.yaml.in/yaml/v3"
)
