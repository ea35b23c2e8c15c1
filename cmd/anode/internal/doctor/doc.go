// Package doctor looks whether a machine can run the kernel's part of a node, and where it cannot or would be slow,
// says what is missing and the command that mends it. It changes nothing, unless it is asked to prove: then the programs
// are attached for a moment.
//
// What decides is always a try: the programs are loaded, ports are bound, a packet is awaited. The other checks say why
// a try fails, or find what no try shows, such as one queue for many CPUs.
package doctor
