// Package fieldclue holds what belongs to the whole program: the description of its API, openapi.yaml beside this file.
// The program itself is in server/.
package fieldclue

import _ "embed"

// OpenAPI is the description of the API (OpenAPI 3.1, YAML), as the server shows it under /openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte
