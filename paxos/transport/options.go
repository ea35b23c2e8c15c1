package transport

const (
	// defaultBufferBytes lets a burst of some thousand datagrams wait while the owner is busy or paused by
	// the garbage collector; the system's own default holds about a hundred.
	defaultBufferBytes = 4 << 20
	// maxBufferBytes keeps a typing error in a configuration from pinning the machine's memory.
	maxBufferBytes = 256 << 20
)

// Options of [Listen] and [ListenUDP]. The zero value is good.
type Options struct {
	// DatagramBytes is up to what size [Listen] sends datagrams as datagrams, and not over a stream; it is
	// 16 KiB at least.
	DatagramBytes int
	// RecvBufferBytes and SendBufferBytes size the socket's buffers; 0 stands for 4 MiB, and more than
	// 256 MiB for 256. Without CAP_NET_ADMIN the system grants at most net.core.rmem_max and wmem_max;
	// [Stats] tells what was granted.
	RecvBufferBytes int
	SendBufferBytes int
}

// bufferBytes is the size to ask for.
func bufferBytes(option int) int {
	if option <= 0 {
		return defaultBufferBytes
	}
	return min(option, maxBufferBytes)
}
