// gVisor's runtime and its shim are built from their own packages; this module pins their version.
package main

import (
	_ "gvisor.dev/gvisor/runsc/cli/maincli"
	_ "gvisor.dev/gvisor/shim/v1/cli"
)

func main() {}
