//go:build tools

// Names FerretDB's command so that `go mod vendor` brings all that it needs.
// Nothing here is ever compiled into anything.
package tools

import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
