package app

import "quittance/internal/asset"

// Reads reports whether this node is the one that reads a chain.
func (a *App) Reads(id asset.ChainID) bool { return a.heads.keeper.Holds(chainLease(id)) }
