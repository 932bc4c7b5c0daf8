//go:build !unix

package app

// connections is how many connections may be open at once; 0: as many as come.
func connections() int { return 0 }
