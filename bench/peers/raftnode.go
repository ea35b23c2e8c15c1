package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/spf13/cobra"
)

const (
	// transportPool is how many idle connections raft keeps per peer; replication has its own.
	transportPool    = 3
	transportTimeout = 10 * time.Second
	// snapshotThreshold is never reached. Compaction would cost raft time, and a run is over before
	// its log fills the memory.
	snapshotThreshold = math.MaxUint64
)

// raftNodeCommand is one server. It prints "raft ADDRESS" and "front ADDRESS", reads the line "peers" with
// the raft addresses of all, and prints "leader" when it leads. It ends with its standard input.
func raftNodeCommand() *cobra.Command {
	maxAppendEntries, verifyEach := 0, false
	cmd := &cobra.Command{
		Use:    "raft-node",
		Short:  "One server of the raft system, started by the others of these commands",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			return runRaftNode(os.Stdin, os.Stdout, os.Stderr, maxAppendEntries, verifyEach)
		},
	}
	cmd.Flags().IntVar(&maxAppendEntries, "max-append-entries", 0, "raft's MaxAppendEntries")
	cmd.Flags().BoolVar(&verifyEach, "verify-each", false, "one VerifyLeader for each read")
	return cmd
}

func runRaftNode(stdin io.Reader, stdout, stderr io.Writer, maxAppendEntries int, verifyEach bool) error {
	transport, err := raft.NewTCPTransport("127.0.0.1:0", nil, transportPool, transportTimeout, stderr)
	if err != nil {
		return fmt.Errorf("listen for raft: %w", err)
	}
	defer transport.Close()
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	defer clients.Close()
	fmt.Fprintf(stdout, "raft %s\nfront %s\n", transport.LocalAddr(), clients.Addr())

	in := bufio.NewReader(stdin)
	peers, err := readPeers(in)
	if err != nil {
		return err
	}
	data := newTable()
	node, err := startRaft(transport, data, peers, maxAppendEntries, stderr)
	if err != nil {
		return err
	}
	f := newFront(node, data, verifyEach)
	go f.lead(func() { fmt.Fprintln(stdout, "leader") })
	go func() { _ = f.serve(clients) }() // until the process ends
	_, _ = io.Copy(io.Discard, in)       // until whoever started us is done
	return node.Shutdown().Error()
}

func readPeers(in *bufio.Reader) ([]string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read the addresses of the peers: %w", err)
	}
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "peers" {
		return nil, fmt.Errorf("got %q instead of the addresses of the peers", line)
	}
	return words[1:], nil
}

func startRaft(transport *raft.NetworkTransport, data *table, peers []string, maxAppendEntries int, stderr io.Writer) (*raft.Raft, error) {
	store := raft.NewInmemStore()
	config := raftConfig(transport.LocalAddr(), maxAppendEntries, stderr)
	node, err := raft.NewRaft(config, data, store, store, raft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		return nil, fmt.Errorf("start raft: %w", err)
	}
	var members raft.Configuration
	for _, address := range peers {
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(address), Address: raft.ServerAddress(address)})
	}
	if err := node.BootstrapCluster(members).Error(); err != nil {
		return nil, fmt.Errorf("bootstrap raft: %w", err)
	}
	return node, nil
}

// raftConfig sets raft up for speed. All else stays as its authors recommend: of a longer pipeline they
// found that it makes latency worse.
func raftConfig(address raft.ServerAddress, maxAppendEntries int, stderr io.Writer) *raft.Config {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(address)
	config.LogLevel = "ERROR"
	config.LogOutput = stderr
	// With a buffered queue, all that came while the last batch was written is the next batch.
	config.BatchApplyCh = true
	config.MaxAppendEntries = maxAppendEntries
	config.SnapshotThreshold = snapshotThreshold
	config.NoLegacyTelemetry = true
	return config
}
