package core

// EnableModuleRestart belongs to an alpha feature gate that is off unless asked for.
func EnableModuleRestart() {
	panic("this build has no feature gate moduleRestart")
}
