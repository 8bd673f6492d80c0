package app

import (
	"fmt"

	"quittance/internal/lifi"
)

// RoutingSetup is how routes from other chains and tokens are offered.
type RoutingSetup struct {
	// Service is whom routes are asked of; its Table is what they are pinned to.
	Service lifi.Config
}

// client makes the routing service's client, nil if there is no routing.
func (s *RoutingSetup) client() (*lifi.Client, error) {
	if s == nil {
		return nil, nil
	}
	client, err := lifi.NewClient(s.Service)
	if err != nil {
		return nil, fmt.Errorf("routing: %w", err)
	}
	return client, nil
}
