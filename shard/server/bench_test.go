package server_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
)

// BenchmarkPut drives one shard with three replicas in this process through one client. It is for profiles;
// what anode does against others is measured with processes of their own, by bench/peers.
func BenchmarkPut(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) { benchmarkPut(b, goroutines) })
	}
}

func benchmarkPut(b *testing.B, goroutines int) {
	db := startThree(b)
	value := make([]byte, 100)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := db.Put(context.Background(), fmt.Sprintf("%016d", i%100_000), value); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func startThree(tb testing.TB) *client.Client {
	t := shard.Topology{Cluster: 1, Map: shard.Map{Version: 1, Shards: 1}}
	var servers []string
	for i := range 3 {
		n := shard.Node{Name: "n" + strconv.Itoa(i), Host: "127.0.0.1", Port: uint16(19400 + 2*i)}
		t.Nodes = append(t.Nodes, n)
		servers = append(servers, net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))))
	}
	t.Groups = shard.Place(t.Nodes, 1, 3)
	for _, n := range t.Nodes {
		disk := &replica.MemoryDisk{}
		node, err := server.Start(context.Background(), server.Config{
			Topology: t, Name: n.Name, Disks: func(shard.Seat) replica.Disk { return disk },
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(node.Stop)
	}
	db, err := client.Open(context.Background(), client.Config{Servers: servers})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}
