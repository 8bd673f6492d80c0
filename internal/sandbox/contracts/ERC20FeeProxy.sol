// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {TolerantToken} from "./TolerantToken.sol";

/// Sandbox stand-in for Request Network's ERC20FeeProxy 0.2.0: same selector, event and effects.
/// The payer must have approved this contract for amount plus fee.
contract ERC20FeeProxy {
    event TransferWithReferenceAndFee(
        address tokenAddress,
        address to,
        uint256 amount,
        bytes indexed paymentReference,
        uint256 feeAmount,
        address feeAddress
    );

    receive() external payable {
        revert("not payable receive");
    }

    function transferFromWithReferenceAndFee(
        address tokenAddress,
        address to,
        uint256 amount,
        bytes calldata paymentReference,
        uint256 feeAmount,
        address feeAddress
    ) external {
        require(TolerantToken.pull(tokenAddress, to, amount), "payment transferFrom() failed");
        // A fee without an address is announced in the event but not charged.
        if (feeAmount != 0 && feeAddress != address(0)) {
            require(TolerantToken.pull(tokenAddress, feeAddress, feeAmount), "fee transferFrom() failed");
        }
        emit TransferWithReferenceAndFee(tokenAddress, to, amount, paymentReference, feeAmount, feeAddress);
    }
}
