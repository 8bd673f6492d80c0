//go:build !nosandbox

package static

import "embed"

//go:embed dist/sandbox-wallet.js
var sandbox embed.FS
