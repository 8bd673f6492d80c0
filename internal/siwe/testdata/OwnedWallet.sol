// SPDX-License-Identifier: CC0-1.0
pragma solidity 0.8.34;

/// A contract account of one owner, who signs with an ordinary key: what a
/// signature over a digest is worth, the contract decides (EIP-1271).
contract OwnedWallet {
    address public owner; // slot 0

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        require(signature.length == 65, "length");
        uint8 v = uint8(signature[64]);
        address signer = ecrecover(digest, v, bytes32(signature[0:32]), bytes32(signature[32:64]));
        return signer != address(0) && signer == owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}
