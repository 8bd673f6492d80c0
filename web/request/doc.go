// Package request is the Request Network dialect: /v2/secure-payments as the
// vendor's public documentation describes it, and the webhooks that go with it.
// It owns everything wire-shaped about that contract and decides nothing about
// payments. Where we differ from the documentation is listed in
// docs/divergences.md.
package request
