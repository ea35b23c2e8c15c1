// Package client is the way into an anode cluster: single keys, and transactions over any number of keys
// and shards, all of them strictly serializable.
//
//	db, err := client.Open(ctx, client.Config{Servers: []string{"10.0.0.1:7000"}})
//	...
//	err = db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
//		v, err := tx.Get(ctx, "greeting")
//		...
//		return tx.Put(ctx, "greeting", append(v, '!'))
//	})
//
// [Client.Update] runs its function again when another transaction was faster, until the context ends.
// [Client.View] is the same for reading only, and [Client.Begin] leaves the repeating to the caller.
//
// [Txn.Scan] walks a range of keys in order, over all shards, and [Client.SnapshotAt] shows the recent past to who can
// do with a little less than the newest.
//
// [UpdateValue] and [ViewValue] are for functions that have a result, [Client.GetMulti] asks for many keys in one round,
// and [Client.CompareAndSwap] is a transaction on one key. Package anodetest starts a cluster inside a test.
//
// Every error is an [*Error] around one of the sentinels of this package; it names what was attempted and the
// last real obstacle. The one to think about is [ErrOutcomeUnknown]: the transaction may have committed. It
// is never repeated for you; [Client.Outcome] can tell later.
//
// A Client is shared: it is safe for many goroutines, and the more of them use it at a time the fewer
// datagrams each costs. One goroutine inside waits at the socket and turns the transaction coordinator; a caller who finds nothing under
// way makes that turn itself.
package client
