package server

const (
	// nodeLogBytes is what the logs of all replicas of a node may keep of applied entries, together. It is a
	// part of what a node takes beside its data, and longer than any pause that a log should bridge.
	nodeLogBytes = 24 << 20
	// minLogBytes is what a replica keeps however many there are: less would send the state to everyone who
	// misses a moment.
	minLogBytes = 1 << 20
)

// shareLogs divides among the replicas of a node what their logs may keep.
func (c *Config) shareLogs() {
	replicas := max(len(c.Topology.Seats(c.Name)), 1)
	share := max(nodeLogBytes/replicas, minLogBytes)
	if c.Limits.KeepBytes == 0 || c.Limits.KeepBytes > share {
		c.Limits.KeepBytes = share
	}
}
