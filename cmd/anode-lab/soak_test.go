package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// Growth of any figure fails a soak; noise and warming up do not.
func TestWhatGrowsIsTold(t *testing.T) {
	level := func(n int) (s []holding) {
		for i := range n {
			s = append(s, holding{residentMB: 200 + int64(i%3), files: 40 + int64(i%2), goroutines: 30 + int64(i%5), maps: 12})
		}
		return s
	}
	warm := append([]holding{{residentMB: 20, files: 5, goroutines: 5}}, level(20)...)
	if err := grown(warm); err != nil {
		t.Error(err)
	}
	if err := grown(level(soakLooks - 1)); err == nil {
		t.Error("a verdict over next to nothing")
	}
	for want, leak := range map[string]func(f *holding, i int64){
		"MB resident": func(f *holding, i int64) { f.residentMB += 4 * i },
		"open files":  func(f *holding, i int64) { f.files += i },
		"goroutines":  func(f *holding, i int64) { f.goroutines += i },
		"BPF maps":    func(f *holding, i int64) { f.maps += i / 8 },
	} {
		s := level(40)
		for i := range s {
			leak(&s[i], int64(i))
		}
		if err := grown(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		for len(s) >= 16 {
			s = sparse(s, len(s))
		}
		if err := grown(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s, of fewer samples: %v", want, err)
		}
	}
}

// What a process holds is read from the kernel and from its metrics.
func TestALookAtAProcess(t *testing.T) {
	metrics := "# TYPE go_goroutines gauge\ngo_goroutines 17\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(metrics)) }))
	defer s.Close()
	admin := strings.TrimPrefix(s.URL, "http://")
	before, err := lookAt(context.Background(), os.Getpid(), admin)
	if err != nil || before.residentMB < 1 || before.goroutines != 17 {
		t.Fatal(before, err)
	}
	for range 10 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if after, err := lookAt(context.Background(), os.Getpid(), admin); err != nil || after.files < before.files+10 {
		t.Error(before, after, err)
	}
	metrics = ""
	if _, err := lookAt(context.Background(), os.Getpid(), admin); err == nil {
		t.Error("no goroutines are told, and none are missed")
	}
}
