module continuum.test/components/small

go 1.24.0
