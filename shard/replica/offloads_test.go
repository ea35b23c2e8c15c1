package replica_test

import (
	"errors"
	"testing"

	"github.com/anodekv/anode/shard/replica"
)

func TestOffloadsAreReadAsTheyAreWritten(t *testing.T) {
	for o := replica.NoOffloads; o <= replica.AllOffloads; o++ {
		if got, err := replica.ParseOffloads(o.String()); got != o || err != nil {
			t.Errorf("%v is read as %v, %v", o, got, err)
		}
	}
	if got, err := replica.ParseOffloads("quorum, ack"); got != replica.OffloadAck|replica.OffloadQuorum || err != nil {
		t.Errorf("quorum, ack: %v, %v", got, err)
	}
	for _, s := range []string{"", "acks", "ack,", "all,ack"} {
		if _, err := replica.ParseOffloads(s); !errors.Is(err, replica.ErrOffload) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
