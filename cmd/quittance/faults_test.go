//go:build linux

package main

import (
	"flag"
	"os"
	"testing"

	"quittance/internal/chain/chaintest"
	"quittance/internal/chaostest"
)

var (
	allFaults  = flag.Int("faults", 0, "so many kills in TestFaults, and other faults in proportion, in place of the short form")
	faultsFor  = flag.Duration("faults-for", 0, "on each database no fault of TestFaults begins later than so long after the first; 0 for any time")
	faultsExe  = flag.String("faults-exe", "", "a program that chaostest.Build has made, so that it is not made again")
	faultsOn   = flag.String("faults-on", "", "sqlite or postgres: TestFaults on that alone")
	faultsSeed = flag.Uint64("faults-seed", 1, "of the random choices of TestFaults")
)

// TestFaults kills, stops, starves and misleads the program under load, on SQLite and as
// three processes on PostgreSQL, and asks afterwards whether anything was lost or doubled.
// `make faults` runs it in full.
func TestFaults(t *testing.T) {
	for name, nodes := range map[string]int{"sqlite": 0, "postgres": 3} {
		if *faultsOn != "" && *faultsOn != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if *allFaults == 0 {
				t.Parallel()
			}
			if nodes > 0 {
				chaostest.NeedPostgres(t)
			}
			if *allFaults == 0 && *faultsFor > 0 {
				t.Fatal("-faults-for is of the full form: say -faults, too")
			}
			usdc := baseUSDC(t)
			c := chaostest.Config{Nodes: nodes, Seed: *faultsSeed, Chain: asBase(t, chaintest.WithUSDC(usdc)), USDC: usdc}
			c.Chain.Mine(2)
			if *allFaults > 0 {
				if c.Exe = *faultsExe; c.Exe == "" {
					c.Exe = chaostest.Build(t, "quittance/cmd/quittance")
				}
				c.Clocks, c.Plan = true, chaostest.Full(nodes, *allFaults, *faultsFor)
			} else {
				exe, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				c.Exe, c.Plan = exe, chaostest.Short(nodes)
			}
			chaostest.New(t, c).Run()
		})
	}
}
