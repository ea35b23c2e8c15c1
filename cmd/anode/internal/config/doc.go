// Package config reads the file from which `anode serve` starts a node. It is the only package that knows
// viper.
package config
