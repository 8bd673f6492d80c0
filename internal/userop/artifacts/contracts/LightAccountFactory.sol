// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import "./LightAccount.sol";

/// A stand-in for Alchemy's LightAccountFactory 2.0.0, for tests. What it deploys, a minimal ERC-1967 proxy,
/// and with which salt, is as the original does it: an account's address follows from both.
contract LightAccountFactory {
    address public constant ACCOUNT_IMPLEMENTATION = 0x8E8e658E22B12ada97B402fF0b044D6A325013C7;
    address public constant ENTRY_POINT = 0x0000000071727De22E5E9d8BAf0edAc6f37da032;

    function createAccount(address owner, uint256 salt) external returns (LightAccount account) {
        address at = getAddress(owner, salt);
        if (at.code.length == 0) {
            bytes memory code = _creationCode();
            bytes32 combined = _salt(owner, salt);
            address made;
            assembly ("memory-safe") {
                made := create2(0, add(code, 0x20), mload(code), combined)
            }
            require(made == at, "account not created");
            LightAccount(payable(at)).initialize(owner);
        }
        return LightAccount(payable(at));
    }

    function getAddress(address owner, uint256 salt) public view returns (address) {
        bytes32 hash =
            keccak256(abi.encodePacked(bytes1(0xff), address(this), _salt(owner, salt), keccak256(_creationCode())));
        return address(uint160(uint256(hash)));
    }

    function _salt(address owner, uint256 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, salt));
    }

    /// The smallest proxy that keeps its implementation where ERC-1967 wants it.
    function _creationCode() private pure returns (bytes memory) {
        return abi.encodePacked(
            hex"603d3d8160223d3973",
            ACCOUNT_IMPLEMENTATION,
            hex"60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
        );
    }
}
