package artifacts

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"quittance/internal/asset"
	"quittance/internal/userop"
)

// Deployer creates contracts at addresses that follow from their code: its input
// is a salt and the creation code. Source: Arachnid/deterministic-deployment-proxy.
var Deployer = asset.Address(common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C"))

var deployerCode = hexutil.MustDecode("0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3")

// The addresses at which userop expects what stands as it is here.
var standing = map[string]string{
	LightAccountFactory: "0x0000000000400CdFef5E2714E63d8040b700BC24",
	LightAccount:        "0x8E8e658E22B12ada97B402fF0b044D6A325013C7",
	SafeModuleSetup:     "0x2dd68b007B46fBe91B9A7c3EDa5A7a1063cB5b47",
}

// SafeModule is where Safe4337Module 0.3.0 stands. Its package is not built as what
// is deployed, so no constructor would put it there.
var SafeModule = asset.Address(common.HexToAddress("0x75cf11467937ce3F2f357CE24ffc3DBF8fD5c226"))

var errNoCode = errors.New("no code")

// Sponsor is a VerifyingPaymaster to be: whose word it takes, and how much the
// EntryPoint has of it, in wei.
type Sponsor struct {
	Signer  asset.Address
	Deposit *big.Int
}

// Paymaster returns where a signer's VerifyingPaymaster stands on every chain that
// Deployed describes.
func Paymaster(signer asset.Address) (asset.Address, error) {
	creation, err := paymasterCreation(signer)
	if err != nil {
		return asset.Address{}, err
	}
	return asset.Address(crypto.CreateAddress2(common.Address(Deployer), common.Hash{}, crypto.Keccak256(creation))), nil
}

func paymasterCreation(signer asset.Address) ([]byte, error) {
	return Creation(VerifyingPaymaster, common.Address(userop.EntryPoint), common.Address(signer))
}

// Deployment is a contract as it stands on a chain that has all of them.
type Deployment struct {
	Address asset.Address
	Balance *big.Int // wei
	Nonce   uint64   // 1, and one more for each contract that it has made
	Runtime []byte
	Storage map[[32]byte][32]byte // slot and value
}

// Deployed returns what a chain begins with so that operations can be made there by
// accounts of the kinds that userop pins: the deployer, the EntryPoint and what it
// makes, factories, implementations and modules, in the order of their addresses,
// and the sponsors with their deposits. What has a constructor is what that leaves
// behind on this chain. Safe's own contracts are not among them.
func Deployed(chain asset.ChainID, sponsors ...Sponsor) ([]Deployment, error) {
	w, err := newWorld(chain)
	if err != nil {
		return nil, fmt.Errorf("a chain for ERC-4337: %w", err)
	}
	err = w.build()
	for _, s := range sponsors {
		if err == nil {
			err = w.sponsor(s)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("contracts of ERC-4337: %w", err)
	}
	return w.deployments(), nil
}

// world is a chain's state while constructors run in it.
type world struct {
	config *params.ChainConfig
	db     *state.StateDB
	slots  map[common.Address]map[common.Hash]bool // of every contract: what was written
}

// builder is who calls, and gives the deposits. It is not among what is deployed.
var builder = common.Address{19: 0xb1}

const buildGas = 30_000_000

func newWorld(chain asset.ChainID) (*world, error) {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, err
	}
	config := *params.AllDevChainProtocolChanges // a copy: the original is shared by the whole process
	config.ChainID = new(big.Int).SetUint64(uint64(chain))
	config.AmsterdamTime, config.BogotaTime = nil, nil // forks ahead of today's chains
	return &world{config: &config, db: db, slots: map[common.Address]map[common.Hash]bool{}}, nil
}

func (w *world) put(at common.Address, code []byte) {
	w.db.SetNonce(at, 1, tracing.NonceChangeGenesis)
	w.db.SetCode(at, code, tracing.CodeChangeGenesis)
	w.slots[at] = map[common.Hash]bool{}
}

func (w *world) build() error {
	w.put(common.Address(Deployer), deployerCode)
	for name, at := range standing {
		c, err := Contract(name)
		if err != nil {
			return err
		}
		w.put(common.HexToAddress(at), c.Runtime)
	}
	multiSend, err := Contract(MultiSend)
	if err != nil {
		return err
	}
	w.put(multiSend.Address, multiSend.Runtime)
	point, err := Contract(EntryPoint)
	if err != nil {
		return err
	}
	if err := w.deploy(point.Salt, point.Creation, common.Address(userop.EntryPoint)); err != nil {
		return fmt.Errorf("the EntryPoint: %w", err)
	}
	return w.module()
}

// module has the constructor write the EntryPoint into the module's code, which is
// then put where the module is deployed.
func (w *world) module() error {
	creation, err := Creation(Safe4337Module, common.Address(userop.EntryPoint))
	if err != nil {
		return err
	}
	made, _, _, err := runtime.Create(creation, &runtime.Config{ChainConfig: w.config, GasLimit: buildGas})
	if err != nil || len(made) == 0 {
		return fmt.Errorf("creating %s: %d bytes, %w", Safe4337Module, len(made), cmp.Or(err, errNoCode))
	}
	w.put(common.Address(SafeModule), made)
	return nil
}

func (w *world) sponsor(s Sponsor) error {
	creation, err := paymasterCreation(s.Signer)
	if err != nil {
		return err
	}
	at, err := Paymaster(s.Signer)
	if err != nil {
		return err
	}
	if err := w.deploy(common.Hash{}, creation, common.Address(at)); err != nil {
		return fmt.Errorf("the paymaster: %w", err)
	}
	parsed, err := Interface(EntryPoint)
	if err != nil {
		return err
	}
	data, err := parsed.Pack("depositTo", common.Address(at))
	if err != nil {
		return err
	}
	if err := w.call(common.Address(userop.EntryPoint), s.Deposit, data); err != nil {
		return fmt.Errorf("the paymaster's deposit: %w", err)
	}
	return nil
}

// deploy has the deployer create a contract, which must then be where it is expected.
func (w *world) deploy(salt common.Hash, creation []byte, want common.Address) error {
	if err := w.call(common.Address(Deployer), nil, append(bytes.Clone(salt[:]), creation...)); err != nil {
		return err
	}
	if w.db.GetCodeSize(want) == 0 {
		return fmt.Errorf("at %s: %w", want, errNoCode)
	}
	return nil
}

func (w *world) call(to common.Address, value *big.Int, data []byte) error {
	if value == nil {
		value = new(big.Int)
	}
	amount := w.db.GetBalance(builder).Clone()
	if amount.SetFromBig(value) {
		return fmt.Errorf("%v wei are more than there can be", value)
	}
	w.db.AddBalance(builder, amount, tracing.BalanceIncreaseGenesisBalance)
	_, _, err := runtime.Call(to, data, &runtime.Config{
		ChainConfig: w.config, State: w.db, Origin: builder, Value: value, GasLimit: buildGas,
		EVMConfig: vm.Config{Tracer: w.watch()},
	})
	w.db.Finalise(w.config.Rules(new(big.Int), true, 0))
	return err
}

// watch notes what is created and written.
func (w *world) watch() *tracing.Hooks {
	return &tracing.Hooks{
		OnEnter: func(_ int, kind byte, _, to common.Address, _ []byte, _ uint64, _ *big.Int) {
			if op := vm.OpCode(kind); op == vm.CREATE || op == vm.CREATE2 {
				w.slots[to] = map[common.Hash]bool{}
			}
		},
		OnOpcode: func(_ uint64, op byte, _, _ uint64, scope tracing.OpContext, _ []byte, _ int, _ error) {
			stack := scope.StackData()
			if vm.OpCode(op) == vm.SSTORE && len(stack) > 0 {
				w.slots[scope.Address()][stack[len(stack)-1].Bytes32()] = true
			}
		},
	}
}

func (w *world) deployments() []Deployment {
	var out []Deployment
	for _, at := range slices.SortedFunc(maps.Keys(w.slots), common.Address.Cmp) {
		d := Deployment{
			Address: asset.Address(at), Balance: w.db.GetBalance(at).ToBig(), Nonce: w.db.GetNonce(at),
			Runtime: w.db.GetCode(at), Storage: map[[32]byte][32]byte{},
		}
		for slot := range w.slots[at] {
			if value := w.db.GetState(at, slot); value != (common.Hash{}) {
				d.Storage[slot] = value
			}
		}
		out = append(out, d)
	}
	return out
}
