module continuum.test/components/of-watchdog

go 1.24.0
