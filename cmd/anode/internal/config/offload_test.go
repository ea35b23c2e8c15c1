package config

import (
	"strings"
	"testing"

	"github.com/anodekv/anode/shard/server"
)

// The words on and off are no truth values here.
func TestOffload(t *testing.T) {
	for line, want := range map[string]server.OffloadMode{
		"": server.OffloadAuto, "offload: auto\n": server.OffloadAuto, "offload: on\n": server.OffloadOn,
		"offload: off\n": server.OffloadOff, "offload: 'off'\n": server.OffloadOff,
	} {
		c, err := Load(write(t, "anode.yaml", good+line), nil)
		if err != nil || c.Offload != want {
			t.Errorf("%q: %v, %v", line, c.Offload, err)
		}
	}
	t.Setenv("ANODE_OFFLOAD", "on")
	path := write(t, "anode.yaml", good+"offload: off\n")
	if c, err := Load(path, nil); err != nil || c.Offload != server.OffloadOn {
		t.Errorf("by a variable: %v, %v", c.Offload, err)
	}
	if c, err := Load(path, map[string]string{"offload": "auto"}); err != nil || c.Offload != server.OffloadAuto {
		t.Errorf("by a flag: %v, %v", c.Offload, err)
	}
}

func TestOffloadMistakes(t *testing.T) {
	for value, want := range map[string]string{
		"perhaps": `offload is "perhaps": choose auto, on or off`,
		"true":    "'offload' is true: write a text",
	} {
		if _, err := load(t, good+"offload: "+value+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("offload: %s: %v", value, err)
		}
	}
}
