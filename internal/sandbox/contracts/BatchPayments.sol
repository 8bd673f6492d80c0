// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {TolerantToken} from "./TolerantToken.sol";

interface IERC20 {
    function allowance(address owner, address spender) external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
}

interface IERC20FeeProxy {
    function transferFromWithReferenceAndFee(
        address token,
        address to,
        uint256 amount,
        bytes calldata paymentReference,
        uint256 feeAmount,
        address feeAddress
    ) external;
}

interface IEthereumFeeProxy {
    function transferWithReferenceAndFee(
        address payable to,
        bytes calldata paymentReference,
        uint256 feeAmount,
        address payable feeAddress
    ) external payable;
}

/// Sandbox stand-in for the part of Request Network's BatchConversionPayments that settles requests
/// without conversion: `batchPayments` with payment network 2 (ERC-20, several tokens) and 3 (native).
/// The sandbox has no price oracle: conversions and a non-empty `pathsToUSD` are refused.
contract BatchPayments {
    struct RequestDetail {
        address recipient;
        uint256 requestAmount;
        address[] path;
        bytes paymentReference;
        uint256 feeAmount;
        uint256 maxToSpend;
        uint256 maxRateTimespan;
    }

    struct MetaDetail {
        uint256 paymentNetworkId;
        RequestDetail[] requestDetails;
    }

    struct Total {
        address token;
        uint256 amountAndFee;
        uint256 amount;
    }

    uint256 private constant FEE_DENOMINATOR = 10_000;

    address public owner;
    IERC20FeeProxy public paymentErc20Proxy;
    IEthereumFeeProxy public paymentNativeProxy;
    /// In hundredths of a percent, at most 200.
    uint16 public batchFee;
    /// While zero, no batch fee is charged.
    uint64 public batchFeeAmountUSDLimit;

    modifier onlyOwner() {
        require(msg.sender == owner, "Ownable: caller is not the owner");
        _;
    }

    receive() external payable {
        require(msg.value == 0, "Non-payable");
    }

    function setBatchFee(uint16 fee) external onlyOwner {
        require(fee <= 200, "The batch fee value is too high: > 2%");
        batchFee = fee;
    }

    function setBatchFeeAmountUSDLimit(uint64 limit) external onlyOwner {
        batchFeeAmountUSDLimit = limit;
    }

    function batchPayments(
        MetaDetail[] calldata metaDetails,
        address[][] calldata pathsToUSD,
        address feeAddress
    ) external payable {
        require(metaDetails.length < 6, "more than 5 metaDetails");
        require(pathsToUSD.length == 0, "sandbox: no price oracle");
        for (uint256 i = 0; i < metaDetails.length; i++) {
            uint256 id = metaDetails[i].paymentNetworkId;
            if (id == 2) {
                _payTokens(metaDetails[i].requestDetails, feeAddress);
            } else if (id == 3) {
                _payNative(metaDetails[i].requestDetails, payable(feeAddress));
            } else {
                revert(id < 5 ? "sandbox: payment network not supported" : "Wrong paymentNetworkId");
            }
        }
    }

    function _payTokens(RequestDetail[] calldata requests, address feeAddress) private {
        Total[] memory totals = _totals(requests);
        for (uint256 i = 0; i < totals.length && totals[i].amountAndFee > 0; i++) {
            uint256 fee = (totals[i].amount * batchFee) / FEE_DENOMINATOR;
            _collect(totals[i].token, totals[i].amountAndFee, fee);
            require(
                TolerantToken.pull(totals[i].token, feeAddress, batchFeeAmountUSDLimit == 0 ? 0 : fee),
                "Batch fee transferFrom() failed"
            );
        }
        for (uint256 i = 0; i < requests.length; i++) {
            RequestDetail calldata r = requests[i];
            paymentErc20Proxy.transferFromWithReferenceAndFee(
                r.path[0],
                r.recipient,
                r.requestAmount,
                r.paymentReference,
                r.feeAmount,
                feeAddress
            );
        }
    }

    /// Takes the payer's tokens for all requests of one token at once and lets the fee proxy have them.
    function _collect(address token, uint256 amountAndFee, uint256 fee) private {
        require(
            IERC20(token).allowance(msg.sender, address(this)) >= amountAndFee,
            "Insufficient allowance for batch to pay"
        );
        require(IERC20(token).balanceOf(msg.sender) >= amountAndFee + fee, "Not enough funds, including fees");
        require(TolerantToken.pull(token, address(this), amountAndFee), "payment transferFrom() failed");
        if (IERC20(token).allowance(address(this), address(paymentErc20Proxy)) < amountAndFee) {
            (bool ok, bytes memory answer) = token.call(
                abi.encodeWithSignature("approve(address,uint256)", paymentErc20Proxy, type(uint256).max)
            );
            require(ok && (answer.length == 0 || abi.decode(answer, (bool))), "approve() failed");
        }
    }

    /// One entry per distinct token in order of appearance, the rest of the list empty.
    function _totals(RequestDetail[] calldata requests) private pure returns (Total[] memory totals) {
        totals = new Total[](requests.length);
        for (uint256 i = 0; i < requests.length; i++) {
            RequestDetail calldata r = requests[i];
            require(r.path.length == 1, "sandbox: no conversion path");
            uint256 due = r.requestAmount + r.feeAmount;
            for (uint256 k = 0; due > 0 && k < totals.length; k++) {
                if (totals[k].amountAndFee == 0 || totals[k].token == r.path[0]) {
                    totals[k].token = r.path[0];
                    totals[k].amountAndFee += due;
                    totals[k].amount += r.requestAmount;
                    break;
                }
            }
        }
    }

    function _payNative(RequestDetail[] calldata requests, address payable feeAddress) private {
        uint256 total = 0;
        for (uint256 i = 0; i < requests.length; i++) {
            RequestDetail calldata r = requests[i];
            uint256 due = r.requestAmount + r.feeAmount;
            require(address(this).balance >= due, "Not enough funds");
            total += r.requestAmount;
            paymentNativeProxy.transferWithReferenceAndFee{value: due}(
                payable(r.recipient),
                r.paymentReference,
                r.feeAmount,
                feeAddress
            );
        }
        // The native branch of the official contract charges its fee whatever the limit is.
        uint256 fee = (total * batchFee) / FEE_DENOMINATOR;
        require(address(this).balance >= fee, "Not enough funds for batch fee");
        (bool ok, ) = feeAddress.call{value: fee, gas: fee == 0 ? 2300 : 0}("");
        require(ok, "Could not pay the batch fee");
        if (address(this).balance > 0) {
            (ok, ) = payable(msg.sender).call{value: address(this).balance}("");
            require(ok, "Could not send remaining funds to the payer");
        }
    }
}
