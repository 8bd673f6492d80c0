// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

struct PackedUserOperation {
    address sender;
    uint256 nonce;
    bytes initCode;
    bytes callData;
    bytes32 accountGasLimits;
    uint256 preVerificationGas;
    bytes32 gasFees;
    bytes paymasterAndData;
    bytes signature;
}

interface IEntryPoint {
    function getNonce(address sender, uint192 key) external view returns (uint256);
}

/// A stand-in for Alchemy's LightAccount 2.0.0, for tests: its interface is the published one as far as
/// payments need it, its inside is not Alchemy's. It is put at the address of the original, so that accounts
/// get the addresses that they have everywhere.
contract LightAccount {
    event LightAccountInitialized(IEntryPoint indexed entryPoint, address indexed owner);

    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    error InvalidInitialization();
    error InvalidOwner(address owner);
    error NotAuthorized(address caller);
    error ArrayLengthMismatch();
    error InvalidSignatureType();

    IEntryPoint private constant ENTRY_POINT = IEntryPoint(0x0000000071727De22E5E9d8BAf0edAc6f37da032);
    /// Half the order of secp256k1: a signature has one accepted form (EIP-2).
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    address public owner;

    modifier onlyAuthorized() {
        if (msg.sender != address(ENTRY_POINT) && msg.sender != address(this) && msg.sender != owner) {
            revert NotAuthorized(msg.sender);
        }
        _;
    }

    receive() external payable {}

    function initialize(address firstOwner) external {
        if (owner != address(0) || firstOwner == address(0)) revert InvalidInitialization();
        owner = firstOwner;
        emit LightAccountInitialized(ENTRY_POINT, firstOwner);
    }

    function transferOwnership(address newOwner) external onlyAuthorized {
        if (newOwner == address(0) || newOwner == address(this)) revert InvalidOwner(newOwner);
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }

    function entryPoint() external pure returns (IEntryPoint) {
        return ENTRY_POINT;
    }

    function getNonce() external view returns (uint256) {
        return ENTRY_POINT.getNonce(address(this), 0);
    }

    function execute(address dest, uint256 value, bytes calldata func) external onlyAuthorized {
        _call(dest, value, func);
    }

    function executeBatch(address[] calldata dest, bytes[] calldata func) external onlyAuthorized {
        if (dest.length != func.length) revert ArrayLengthMismatch();
        for (uint256 i = 0; i < dest.length; ++i) _call(dest[i], 0, func[i]);
    }

    function executeBatch(address[] calldata dest, uint256[] calldata value, bytes[] calldata func)
        external
        onlyAuthorized
    {
        if (dest.length != func.length || value.length != func.length) revert ArrayLengthMismatch();
        for (uint256 i = 0; i < dest.length; ++i) _call(dest[i], value[i], func[i]);
    }

    function validateUserOp(PackedUserOperation calldata op, bytes32 userOpHash, uint256 missingAccountFunds)
        external
        returns (uint256 validationData)
    {
        if (msg.sender != address(ENTRY_POINT)) revert NotAuthorized(msg.sender);
        bytes32 digest = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", userOpHash));
        validationData = _signed(digest, op.signature) ? 0 : 1;
        if (missingAccountFunds != 0) {
            (bool ok,) = msg.sender.call{value: missingAccountFunds}("");
            (ok); // the entry point looks at what it got
        }
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("LightAccount"),
                keccak256("2"),
                block.chainid,
                address(this)
            )
        );
        bytes32 message =
            keccak256(abi.encode(keccak256("LightAccountMessage(bytes message)"), keccak256(abi.encode(digest))));
        bool ok = _signed(keccak256(abi.encodePacked("\x19\x01", separator, message)), signature);
        return ok ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// The first byte says whose signature it is: 0 is an account's with a key, the only one known here.
    function _signed(bytes32 digest, bytes calldata signature) private view returns (bool) {
        if (signature.length < 1 || signature[0] != 0) revert InvalidSignatureType();
        if (signature.length != 66) return false;
        bytes32 r = bytes32(signature[1:33]);
        bytes32 s = bytes32(signature[33:65]);
        if (uint256(s) > HALF_ORDER) return false;
        address signer = ecrecover(digest, uint8(signature[65]), r, s);
        return signer != address(0) && signer == owner;
    }

    function _call(address target, uint256 value, bytes calldata data) private {
        (bool ok, bytes memory result) = target.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }
}
