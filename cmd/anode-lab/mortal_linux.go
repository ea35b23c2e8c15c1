package main

import "syscall"

// mortal is a process that ends with the laboratory.
func mortal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
