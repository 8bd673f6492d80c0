// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// Moves ERC-20 tokens of all habits: one that returns nothing is believed, one that returns false or
/// reverts is not, and an allowance that cannot be changed is set to zero first.
library TokenMoves {
    error TransferFailed();
    error TransferFromFailed();
    error ApproveFailed();

    function balance(address token) internal view returns (uint256 amount) {
        (, bytes memory answer) = token.staticcall(abi.encodeWithSignature("balanceOf(address)", address(this)));
        if (answer.length >= 32) {
            amount = abi.decode(answer, (uint256));
        }
    }

    function send(address token, address to, uint256 amount) internal {
        if (!_call(token, abi.encodeWithSignature("transfer(address,uint256)", to, amount))) {
            revert TransferFailed();
        }
    }

    function pull(address token, address from, address to, uint256 amount) internal {
        if (!_call(token, abi.encodeWithSignature("transferFrom(address,address,uint256)", from, to, amount))) {
            revert TransferFromFailed();
        }
    }

    function allow(address token, address spender, uint256 amount) internal {
        bytes memory exactly = abi.encodeWithSignature("approve(address,uint256)", spender, amount);
        if (_call(token, exactly)) {
            return;
        }
        bool cleared = _call(token, abi.encodeWithSignature("approve(address,uint256)", spender, 0));
        if (!cleared || !_call(token, exactly)) {
            revert ApproveFailed();
        }
    }

    /// Without limit, unless what is allowed already suffices.
    function allowAll(address token, address spender, uint256 amount) internal {
        if (allowance(token, address(this), spender) < amount) {
            allow(token, spender, type(uint256).max);
        }
    }

    function allowance(address token, address holder, address spender) internal view returns (uint256 amount) {
        (, bytes memory answer) = token.staticcall(
            abi.encodeWithSignature("allowance(address,address)", holder, spender)
        );
        if (answer.length >= 32) {
            amount = abi.decode(answer, (uint256));
        }
    }

    function _call(address token, bytes memory data) private returns (bool) {
        if (token.code.length == 0) {
            return false;
        }
        (bool ok, bytes memory answer) = token.call(data);
        return ok && (answer.length == 0 || (answer.length >= 32 && abi.decode(answer, (uint256)) == 1));
    }
}
