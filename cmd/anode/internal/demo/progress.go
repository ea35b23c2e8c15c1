package demo

import (
	"io"
	"sync"
)

// locked is a writer for several goroutines: the story and the rates are told by different ones.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
