package artifacts_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	safes "quittance/internal/safe/artifacts"
	"quittance/internal/userop"
	"quittance/internal/userop/artifacts"
)

var (
	signer  = asset.Address{0x51, 19: 0x51}
	deposit = new(big.Int).Mul(big.NewInt(7), big.NewInt(1e18))
)

func deployed(t *testing.T, id asset.ChainID, sponsors ...artifacts.Sponsor) map[asset.Address]artifacts.Deployment {
	t.Helper()
	list, err := artifacts.Deployed(id, sponsors...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[asset.Address]artifacts.Deployment{}
	for _, d := range list {
		if _, twice := out[d.Address]; twice || len(d.Runtime) == 0 || d.Nonce == 0 {
			t.Errorf("%s: again %t, %d bytes of code, nonce %d", d.Address, twice, len(d.Runtime), d.Nonce)
		}
		out[d.Address] = d
	}
	return out
}

func TestEveryPinnedKindFindsWhatItNeeds(t *testing.T) {
	for _, id := range []asset.ChainID{asset.SandboxBase, asset.Base} {
		there := deployed(t, id)
		official, err := safes.Deployed(id)
		if err != nil {
			t.Fatal(err)
		}
		safe := map[asset.Address]bool{}
		for _, c := range official {
			safe[c.Address] = true
		}
		for _, kind := range userop.At(id).Kinds(id) {
			for _, need := range kind.Account(id, signer).Needs {
				if _, ok := there[need]; !ok && !safe[need] {
					t.Errorf("chain %d: %s needs %s, where nothing is", id, kind.Name(), need)
				}
			}
		}
		for _, at := range []asset.Address{userop.EntryPoint, artifacts.Deployer, artifacts.SafeModule} {
			if _, ok := there[at]; !ok {
				t.Errorf("chain %d: nothing is at %s", id, at)
			}
		}
	}
}

// What the genesis block has must be what transactions leave behind: code, storage
// and money.
func TestGenesisIsWhatDeployingLeaves(t *testing.T) {
	want := deployed(t, chaintest.DefaultID, artifacts.Sponsor{Signer: signer, Deposit: deposit})
	c := chaintest.New(t, chaintest.WithCode(artifacts.Deployer.String(), want[artifacts.Deployer].Runtime, nil))
	send := func(to asset.Address, value *big.Int, data []byte) {
		t.Helper()
		tx := c.Send(to.String(), value, data)
		c.Mine(1)
		if r := c.Receipt(tx); r == nil || r.Status != 1 {
			t.Fatalf("%+v", r)
		}
	}
	point, err := artifacts.Contract(artifacts.EntryPoint)
	if err != nil {
		t.Fatal(err)
	}
	send(artifacts.Deployer, nil, append(bytes.Clone(point.Salt[:]), point.Creation...))
	creation, err := artifacts.Creation(artifacts.VerifyingPaymaster, common.Address(userop.EntryPoint), common.Address(signer))
	if err != nil {
		t.Fatal(err)
	}
	send(artifacts.Deployer, nil, append(make([]byte, 32), creation...))
	paymaster, err := artifacts.Paymaster(signer)
	if err != nil {
		t.Fatal(err)
	}
	abi, err := artifacts.Interface(artifacts.EntryPoint)
	if err != nil {
		t.Fatal(err)
	}
	data, err := abi.Pack("depositTo", common.Address(paymaster))
	if err != nil {
		t.Fatal(err)
	}
	send(userop.EntryPoint, deposit, data)

	made := 0
	for at, d := range want {
		var code, value hexutil.Bytes
		var nonce hexutil.Uint64
		if err := c.Client().Call(&code, "eth_getCode", at.String(), "latest"); err != nil {
			t.Fatal(err)
		}
		if at == artifacts.Deployer || len(code) == 0 {
			continue // was put there, as accounts' contracts are
		}
		made++
		if err := c.Client().Call(&nonce, "eth_getTransactionCount", at.String(), "latest"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(code, d.Runtime) || uint64(nonce) != d.Nonce || c.Balance("", at.String()).Cmp(d.Balance) != 0 {
			t.Errorf("%s: %d bytes of code, nonce %d, balance %v: want %d, %d, %v", at, len(code), nonce, c.Balance("", at.String()), len(d.Runtime), d.Nonce, d.Balance)
		}
		for slot, v := range d.Storage {
			if err := c.Client().Call(&value, "eth_getStorageAt", at.String(), hexutil.Encode(slot[:]), "latest"); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(value, v[:]) {
				t.Errorf("%s: slot %x is %x, want %x", at, slot, value, v)
			}
		}
	}
	if made != 3 { // with what the EntryPoint makes accounts by
		t.Errorf("transactions made %d of the contracts", made)
	}
	if n := len(want[userop.EntryPoint].Storage); n != 2 { // the guard against calls back, and the deposit
		t.Errorf("the EntryPoint begins with %d slots", n)
	}
	asked, err := abi.Pack("getDepositInfo", common.Address(paymaster))
	if err != nil {
		t.Fatal(err)
	}
	var there hexutil.Bytes
	if err := c.Client().Call(&there, "eth_call", map[string]any{"to": userop.EntryPoint.String(), "data": hexutil.Bytes(asked)}, "latest"); err != nil {
		t.Fatal(err)
	}
	if new(big.Int).SetBytes(there[:32]).Cmp(want[userop.EntryPoint].Balance) != 0 {
		t.Errorf("the deposit is %x", there)
	}
	if other := deployed(t, asset.SandboxBase+1, artifacts.Sponsor{Signer: asset.Address{1}, Deposit: deposit}); len(other) != len(want) {
		t.Errorf("%d contracts with another signer, %d with this", len(other), len(want))
	} else if _, same := other[paymaster]; same {
		t.Error("two signers have one paymaster")
	}
}

func TestWhatCannotBe(t *testing.T) {
	if _, err := artifacts.Contract("Vault"); err == nil {
		t.Error("a contract that is not there")
	}
	if _, err := artifacts.Interface(artifacts.MultiSend); err == nil {
		t.Error("a contract without an ABI")
	}
	if _, err := artifacts.Creation(artifacts.VerifyingPaymaster); err == nil {
		t.Error("a constructor without its arguments")
	}
	if _, err := artifacts.Deployed(asset.SandboxBase, artifacts.Sponsor{Signer: signer, Deposit: new(big.Int).Lsh(big.NewInt(1), 300)}); err == nil {
		t.Error("more money than there can be")
	}
	twice := artifacts.Sponsor{Signer: signer, Deposit: deposit}
	if _, err := artifacts.Deployed(asset.SandboxBase, twice, twice); err == nil {
		t.Error("one paymaster, deployed twice")
	}
}
