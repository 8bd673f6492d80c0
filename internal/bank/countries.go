package bank

// area says how an account's country takes part in SEPA.
type area uint8

const (
	outside area = iota // it does not
	sepa                // it does, and a transfer there wants the bank's BIC
	eea                 // it does, as a part of the European Economic Area
)

type country struct {
	length int
	area   area
}

// countries are the lengths of account numbers by their countries, as registered under
// ISO 13616, each found in two independent copies of the registry at least (IbanNet's and
// others' tables of releases 80 to 100). A country of the registry that is not here was
// found once only, and its accounts are refused: none of them is in SEPA.
//
// SEPA's countries are those of the European Payments Council's list of 2025 (EPC409-09),
// with Albania, Moldova, Montenegro, North Macedonia and Serbia, which joined it last.
// Territories have their country's code: Guernsey, Jersey and Man that of GB, the French
// ones that of FR, Åland that of FI.
var countries = map[string]country{
	"AT": {20, eea}, "BE": {16, eea}, "BG": {22, eea}, "CY": {28, eea}, "CZ": {24, eea}, "DE": {22, eea}, "DK": {18, eea}, "EE": {20, eea},
	"ES": {24, eea}, "FI": {18, eea}, "FR": {27, eea}, "GR": {27, eea}, "HR": {21, eea}, "HU": {28, eea}, "IE": {22, eea}, "IS": {26, eea},
	"IT": {27, eea}, "LI": {21, eea}, "LT": {20, eea}, "LU": {20, eea}, "LV": {21, eea}, "MT": {31, eea}, "NL": {18, eea}, "NO": {15, eea},
	"PL": {28, eea}, "PT": {25, eea}, "RO": {24, eea}, "SE": {24, eea}, "SI": {19, eea}, "SK": {24, eea},

	"AD": {24, sepa}, "AL": {28, sepa}, "CH": {21, sepa}, "GB": {22, sepa}, "GI": {23, sepa}, "MC": {27, sepa}, "MD": {24, sepa},
	"ME": {22, sepa}, "MK": {19, sepa}, "RS": {22, sepa}, "SM": {27, sepa}, "VA": {22, sepa},

	"AE": {23, outside}, "AZ": {28, outside}, "BA": {20, outside}, "BH": {22, outside}, "BR": {29, outside}, "BY": {28, outside},
	"CR": {22, outside}, "DO": {28, outside}, "EG": {29, outside}, "FO": {18, outside}, "GE": {22, outside}, "GL": {18, outside},
	"GT": {28, outside}, "IL": {23, outside}, "IQ": {23, outside}, "JO": {30, outside}, "KW": {30, outside}, "KZ": {20, outside},
	"LB": {28, outside}, "LC": {32, outside}, "LY": {25, outside}, "MR": {27, outside}, "MU": {30, outside}, "PK": {24, outside},
	"PS": {29, outside}, "QA": {29, outside}, "SA": {24, outside}, "SC": {31, outside}, "SD": {18, outside}, "SO": {23, outside},
	"ST": {25, outside}, "SV": {28, outside}, "TL": {23, outside}, "TN": {24, outside}, "TR": {26, outside}, "UA": {29, outside},
	"VG": {24, outside}, "XK": {20, outside},
}
