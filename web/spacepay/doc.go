// Package spacepay is the SpacePay dialect: payments with quotes and a deposit address,
// as their published documentation of 2025 words them. It knows that API's headers,
// bodies, errors and webhooks. It must not know how money is watched for, where prices
// come from, or another dialect.
//
// Where it differs from the documentation, and why, is in docs/divergences.md.
package spacepay
