package server_test

import (
	"slices"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// dying is a client by hand, which stops in the middle of a commit over groups 0 and 1.
type dying struct {
	*socket
	c       *cluster
	id      txn.ID
	members []twopc.Member
}

// ask sends a request to a group's leader until an answer of that kind comes.
func (d *dying) ask(g wire.GroupID, kind, want wire.Kind, body []byte) (answer []byte) {
	d.tb.Helper()
	top := &d.c.topology
	leader := slices.Index(top.Groups[g].Members, d.c.leader(shard.ID(g)))
	to := endpoint(d.tb, *top, shard.Seat{Group: shard.ID(g), Replica: uint16(leader)})
	in := make([]transport.Datagram, 1)
	for deadline := time.Now().Add(patience); answer == nil; {
		if time.Now().After(deadline) {
			d.tb.Fatalf("group %d does not answer a %v", g, kind)
		}
		d.send(to, wire.Frame{Header: wire.Header{Kind: kind, Cluster: wire.ClusterID(top.Cluster), Group: g, Sender: wire.ClientSender}, Body: body}, bothKeys.Client)
		n, err := d.conn.Recv(in, 200*time.Millisecond)
		if err != nil {
			d.tb.Fatal(err)
		}
		for _, got := range in[:n] {
			transport.Each(got.Data, d.keys, func(f wire.Frame) {
				if f.Kind == want && f.Group == g {
					answer = slices.Clone(f.Body)
				}
			})
		}
	}
	return answer
}

func (d *dying) openSessions() {
	for g := range wire.GroupID(2) {
		var r txn.SessionReply
		open := txn.OpenSession{Client: d.id.Client, First: 1}
		if err := txn.SessionReplyBody.Decode(d.ask(g, wire.KindOpenSession, wire.KindSessionReply, txn.OpenSessionBody.Append(nil, &open)), &r); err != nil {
			d.tb.Fatal(err)
		}
		d.members = append(d.members, twopc.Member{Group: g, Epoch: r.Epoch, Session: r.Session})
	}
}

func (d *dying) prepare(g wire.GroupID, key string) {
	d.tb.Helper()
	p := twopc.Prepare{ID: d.id, Mark: 1, Members: d.members, Work: txn.Work{Writes: []txn.Write{{Key: []byte(key), Value: []byte("left")}}}}
	var r txn.TxnReply
	body := d.ask(g, wire.KindPrepare, wire.KindTxnReply, twopc.PrepareBody.Append(nil, &p))
	if err := txn.TxnReplyBody.Decode(body, &r); err != nil || r.Status != txn.StatusYes {
		d.tb.Fatalf("%v, %v, want a yes", r.Status, err)
	}
}

// doubtsWereShort looks at how long transactions stayed prepared that somebody asked about: as long as the bound that holds
// where none is configured, and not long after it.
func (c *cluster) doubtsWereShort() {
	const bound, late = 250 * wire.Millisecond, 5 * wire.Second
	var longest wire.Duration
	for g := range c.topology.Groups {
		for name := range c.nodes {
			longest = max(longest, c.status(name, shard.ID(g)).Transactions.LongestDoubt)
		}
	}
	if longest < bound || longest > late {
		c.tb.Errorf("the longest doubt lasted %d ms, with a bound of %d ms", longest/wire.Millisecond, bound/wire.Millisecond)
	}
}

// What a client leaves prepared is settled over real sockets, under real keys, by groups that ask each other;
// and another client can ask what became of it.
func TestTheDeadLeaveNobodyInDoubt(t *testing.T) {
	c := startCluster(t, layOut(3, 2, 3), bothKeys)
	db := c.open()
	defer c.doubtsWereShort()
	for name, everywhere := range map[string]bool{"prepared everywhere": true, "prepared at one shard": false} {
		t.Run(name, func(t *testing.T) {
			d := &dying{socket: newSocket(t, wire.Keys{Client: bothKeys.Client}), c: c, id: txn.ID{Client: txn.ClientID(time.Now().UnixNano()), Seq: 2}}
			d.openSessions()
			keys := []string{keyIn(c.topology, 0, "left"), keyIn(c.topology, 1, "left")}
			if !everywhere {
				keys = []string{keyIn(c.topology, 0, "lost"), keyIn(c.topology, 1, "lost")}
			}
			d.prepare(0, keys[0])
			if everywhere {
				d.prepare(1, keys[1])
			}
			c.eventually("its participants have settled it by themselves", func() bool {
				return c.status(c.leader(0), 0).Transactions.Prepared+c.status(c.leader(1), 1).Transactions.Prepared == 0
			})
			want := client.Aborted
			if everywhere {
				want = client.Committed
			}
			if got, err := db.Outcome(within(t, patience), d.id); err != nil || got != want {
				t.Errorf("the outcome is %v, %v; want %v", got, err, want)
			}
			for _, key := range keys {
				v, err := db.Get(within(t, patience), key)
				if everywhere != (err == nil && string(v) == "left") {
					t.Errorf("%s is %q, %v", key, v, err)
				}
				if err := db.Put(within(t, patience), key, []byte("next")); err != nil {
					t.Errorf("%s is still locked: %v", key, err)
				}
			}
		})
	}
}
