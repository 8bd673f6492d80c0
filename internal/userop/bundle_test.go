package userop_test

import (
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

// What an operation does is what stands between the event before and its own.
func TestExecutions(t *testing.T) {
	if id := useroptest.Interface(t, "EntryPoint").Events["BeforeExecution"].ID.Hex(); id != userop.TopicExecution {
		t.Errorf("BeforeExecution is %s", id)
	}
	one, two, three := official.Hash{1}, official.Hash{2}, official.Hash{3}
	begin := chain.Log{Address: userop.EntryPoint, Topics: []string{userop.TopicExecution}}
	did := func(n byte) chain.Log { return chain.Log{Address: asset.Address{n}, Topics: []string{"0x01"}} }
	foreign := event(t, one, true)
	foreign.Address = stranger
	fake := begin
	fake.Address = stranger
	logs := []chain.Log{
		did(1), foreign, begin, // 0..2: the first bundle is checked
		did(2), foreign, fake, event(t, one, true), // 3..6
		reason(t, two, nil), event(t, two, false), // 7..8
		did(3), begin, event(t, three, true), // 9..11: another bundle
		did(4), // 12
	}
	for i := range logs {
		logs[i].Index = uint(100 + i)
	}
	for hash, want := range map[official.Hash][]uint{one: {103, 104, 105}, two: {107}, three: {}} {
		o, during := userop.Execution(logs, hash)
		if o == nil || o.Hash != hash || o.Success != (hash != two) || len(during) != len(want) {
			t.Fatalf("%s: %+v, %+v", hash, o, during)
		}
		for i, l := range during {
			if l.Index != want[i] {
				t.Errorf("%s: log %d is %d, want %d", hash, i, l.Index, want[i])
			}
		}
	}
	if o, during := userop.Execution(logs, official.Hash{9}); o != nil || during != nil {
		t.Errorf("of none: %+v, %+v", o, during)
	}
	if o, _ := userop.Execution(logs[3:7], one); o != nil {
		t.Errorf("without a beginning: %+v", o)
	}
	for i := range logs {
		want := map[int]official.Hash{3: one, 4: one, 5: one, 7: two}[i]
		if o := userop.During(logs, uint(100+i)); (o == nil) != want.IsZero() || o != nil && o.Hash != want {
			t.Errorf("log %d: %+v, want %s", i, o, want)
		}
	}
}
