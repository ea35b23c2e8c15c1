package client

// Cluster is the number of the cluster.
func (c *Client) Cluster() uint64 { return c.topology.Cluster }

// Shards is how many shards the cluster has, which never changes.
func (c *Client) Shards() uint32 { return c.topology.Map.Shards }

// ShardOf tells which shard a key belongs to, from 0 on.
func (c *Client) ShardOf(key string) uint32 { return uint32(c.topology.Map.Of([]byte(key))) }
