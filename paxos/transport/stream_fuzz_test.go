package transport

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
)

// FuzzStream: whatever a stranger says, what is handed out is what stands in his frames, in order, up to the
// first that is none; and no room is lost.
func FuzzStream(f *testing.F) {
	hello := greeting("127.0.0.1:7")
	f.Add([]byte(nil))
	f.Add(hello)
	f.Add(hello[:31])
	f.Add(greeting("127.0.0.2:7"))
	f.Add(append(bytes.Clone(hello), "\x03\x00\x00\x00abc\x01\x00\x00\x00d"...))
	f.Add(append(bytes.Clone(hello), "\x03\x00\x00\x00ab"...))
	f.Add(append(bytes.Clone(hello), "\xff\xff\xff\xffab"...))
	f.Add(append(bytes.Clone(hello), length(0)...))
	bob, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { bob.Close() })
	s := bob.(*dualConn).streams
	f.Fuzz(func(t *testing.T, said []byte) {
		here, there := net.Pipe()
		go func() {
			_, _ = there.Write(said) // it may be hung up on
			_ = there.Close()
		}()
		c := newStream(s, here)
		c.host = netip.MustParseAddr("127.0.0.1")
		s.mu.Lock()
		s.enter(c)
		s.mu.Unlock()
		c.serve()

		var got []Datagram
		into := make([]Datagram, 8)
		for n := s.inbox.pop(into); n > 0; n = s.inbox.pop(into) {
			got = append(got, into[:n]...)
		}
		for i, want := range framesOf(said) {
			if i >= len(got) || !bytes.Equal(got[i].Data, want) || got[i].Addr.Addr() != c.host {
				t.Fatalf("frame %d of %d is wrong", i, len(got))
			}
		}
		if len(got) != len(framesOf(said)) || s.inbox.taken != 0 || len(s.open)+len(s.hosts)+len(s.peers) != 0 {
			t.Errorf("%d frames, %d bytes of room, %d connections", len(got), s.inbox.taken, len(s.open))
		}
	})
}

// framesOf reads what was said as it should be read, if it comes from 127.0.0.1.
func framesOf(said []byte) (frames [][]byte) {
	hello := greeting("127.0.0.1:7")
	if len(said) < len(hello) || !bytes.Equal(said[:5], hello[:5]) || !bytes.Equal(said[8:24], hello[8:24]) || said[24]|said[25] == 0 {
		return nil
	}
	for said = said[len(hello):]; len(said) >= lengthBytes; {
		n := int(binary.LittleEndian.Uint32(said))
		said = said[lengthBytes:]
		if n == 0 || n > len(said) {
			break
		}
		frames = append(frames, said[:n])
		said = said[n:]
	}
	return frames
}
