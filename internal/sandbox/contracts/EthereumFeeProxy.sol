// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// Sandbox stand-in for Request Network's EthereumFeeProxy 0.2.0: same selectors, event and effects.
contract EthereumFeeProxy {
    event TransferWithReferenceAndFee(
        address to,
        uint256 amount,
        bytes indexed paymentReference,
        uint256 feeAmount,
        address feeAddress
    );

    bool private entered;

    receive() external payable {
        revert("not payable receive");
    }

    /// Pays everything sent, less the fee: there is no surplus, a larger value is a larger payment.
    function transferWithReferenceAndFee(
        address payable to,
        bytes calldata paymentReference,
        uint256 feeAmount,
        address payable feeAddress
    ) external payable {
        _pay(to, msg.value - feeAmount, paymentReference, feeAmount, feeAddress);
    }

    /// Pays exactly amount and fee; what is left of the value goes back to the sender.
    function transferExactEthWithReferenceAndFee(
        address payable to,
        uint256 amount,
        bytes calldata paymentReference,
        uint256 feeAmount,
        address payable feeAddress
    ) external payable {
        _pay(to, amount, paymentReference, feeAmount, feeAddress);
    }

    function _pay(
        address payable to,
        uint256 amount,
        bytes calldata paymentReference,
        uint256 feeAmount,
        address payable feeAddress
    ) private {
        require(!entered, "ReentrancyGuard: reentrant call");
        entered = true;

        (bool ok, ) = to.call{value: amount}("");
        require(ok, "Could not pay the recipient");

        _payFee(feeAddress, feeAmount);

        (ok, ) = payable(msg.sender).call{value: msg.value - amount - feeAmount}("");
        require(ok, "Could not send remaining funds to the payer");

        emit TransferWithReferenceAndFee(to, amount, paymentReference, feeAmount, feeAddress);
        entered = false;
    }

    /// The fee travels with 2300 gas and no more, zero fees included, and a refusal is passed on as it
    /// came: a fee receiver that needs more makes the payment fail, as with the official contract.
    function _payFee(address payable feeAddress, uint256 feeAmount) private {
        // A call that carries value is given 2300 gas on top by the EVM.
        (bool ok, bytes memory reason) = feeAddress.call{value: feeAmount, gas: feeAmount == 0 ? 2300 : 0}("");
        if (!ok) {
            assembly {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}
