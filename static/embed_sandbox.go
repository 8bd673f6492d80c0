//go:build !nosandbox

package static

import "embed"

//go:embed dist/sandbox-wallet.js dist/sandbox-safe.js dist/sandbox-safe.css
var sandbox embed.FS
