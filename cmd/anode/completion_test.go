package main_test

import (
	"strings"
	"testing"
)

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, errs, exit := run(t, "completion", shell); exit != 0 || errs != "" || !strings.Contains(out, "__complete") {
			t.Errorf("%s: %d, %q", shell, exit, errs)
		}
	}
}

// What the scripts ask for: names and values where there are some, files where the name of one can stand, and nothing elsewhere.
// The last line tells a shell what to offer beside.
func TestCompletion(t *testing.T) {
	const nothing, files, directories = ":4\n", ":0\n", ":16\n"
	for _, c := range []struct{ line, want string }{
		{"", "bench\tLoad"},
		{"del", "delete\tDelete keys\n" + nothing},
		{"get ", nothing}, {"put ", nothing}, {"put k ", nothing}, {"delete ", nothing}, {"cas ", nothing}, {"scan ", nothing}, {"txn ", nothing},
		{"dump ", files}, {"dump a ", nothing}, {"restore ", files}, {"restore a ", nothing},
		{"demo ", nothing}, {"serve ", nothing}, {"doctor ", nothing}, {"status ", nothing}, {"health ", nothing}, {"recover ", nothing},
		{"bench ", nothing}, {"version ", nothing},
		{"offload ", "on\noff\n" + nothing},
		{"config ", "check\tTell"}, {"config check ", files}, {"config check a ", nothing}, {"config example ", nothing}, {"config keys ", nothing},
		{"completion ", "bash\nfish\npowershell\nzsh\n" + nothing},
		{"help ", "get\tRead keys\n"}, {"help config ", "keys\tWrite new keys"}, {"help get ", nothing},
		{"scan --serv", "--servers\tsome nodes"},
		{"get -o ", "text\njson\n" + nothing}, {"bench -o ", "text\njson\ncsv\n" + nothing},
		{"get --servers ", nothing}, {"get --timeout ", nothing}, {"get --key-file ", files}, {"get --config ", files},
		{"serve --config ", files}, {"serve --data-dir ", directories}, {"serve --node ", nothing}, {"serve --offload ", "auto\non\noff\n" + nothing},
		{"demo --offload ", "auto\non\noff\n" + nothing}, {"demo --key-file ", files}, {"demo --listen ", nothing},
		{"offload on --only ", "ack\nbroadcast\nquorum\n" + nothing},
		{"bench --workload ycsb-", "ycsb-a\nycsb-b\n"}, {"bench --distribution ", "uniform\nzipfian\nlatest\n" + nothing}, {"bench --insert-order ", "hashed\nordered\n" + nothing},
		{"doctor --config ", files}, {"doctor --interface ", nothing}, {"status --admin ", nothing}, {"status --config ", files},
	} {
		out, _, exit := run(t, append([]string{"__complete"}, strings.Split(c.line, " ")...)...)
		if bare := strings.HasPrefix(c.want, ":"); exit != 0 || bare && out != c.want || !strings.Contains(out, c.want) {
			t.Errorf("%q: %d, no %q in\n%s", c.line, exit, c.want, out)
		}
	}
}
