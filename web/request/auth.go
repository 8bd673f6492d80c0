package request

import (
	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/merchant"
)

// authenticate finds the merchant behind x-api-key.
//
// Faults: Unauthorized.
func (d *Dialect) authenticate(c echo.Context) (merchant.Credential, error) {
	values := c.Request().Header.Values("x-api-key")
	if len(values) != 1 {
		return merchant.Credential{}, fault.New(fault.Unauthorized, "missing_credential", "Send your API key in the x-api-key header.")
	}
	return d.Directory.Authenticate(c.Request().Context(), merchant.APIKey, values[0])
}
