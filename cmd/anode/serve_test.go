package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// A node that is told to stop while it starts, which takes a while where names are looked up and ways into the kernel are tried, ends
// as one does that serves.
func TestServeIsStoppedWhileItStarts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "anode.yaml")
	file := fmt.Sprintf("cluster: 1\nnode: a\nadmin: off\ndata-dir: %s/data\nshards: 1\nreplicas: 1\nnodes: [{name: a, host: localhost, port: %d}]\n",
		dir, 20_000+rand.IntN(10_000))
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	cmd := serveCommand()
	cmd.SetArgs([]string{"--config", path})
	if err := cmd.ExecuteContext(ctx); err != nil {
		t.Errorf("it tells of a failure: %v", err)
	}
}
