// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {TokenMoves} from "./TokenMoves.sol";

/// Sandbox stand-in for the route processors that LI.FI's routes exchange with: any two tokens of six
/// decimals one for one, less 0.05 %, out of its own stock. The route says nothing to it. As there, the
/// caller pays no more than he says, and the receiver has at least the minimum more afterwards.
contract LifiExchange {
    event Route(
        address indexed from,
        address to,
        address indexed tokenIn,
        address indexed tokenOut,
        uint256 amountIn,
        uint256 amountOutMin,
        uint256 amountOut
    );

    error MinimalOutputBalanceViolation(uint256 amountOut);

    uint256 private constant MILLION = 1e6;
    uint256 private constant FEE = 500; // millionths

    function processRoute(
        address tokenIn,
        uint256 amountIn,
        address tokenOut,
        uint256 amountOutMin,
        address to,
        bytes calldata
    ) external payable returns (uint256 amountOut) {
        TokenMoves.pull(tokenIn, msg.sender, address(this), amountIn);
        amountOut = (amountIn * (MILLION - FEE)) / MILLION;
        if (amountOut < amountOutMin) {
            revert MinimalOutputBalanceViolation(amountOut);
        }
        TokenMoves.send(tokenOut, to, amountOut);
        emit Route(msg.sender, to, tokenIn, tokenOut, amountIn, amountOutMin, amountOut);
    }
}
