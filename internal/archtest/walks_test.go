package archtest

// walks are kept as short as issues ask for: a rail touches its package, one line of app, its
// row of the docs and one state of the storybook; a dialect its package and one line of app.
// The import that a line of Go needs goes with it.
var walks = []walk{
	{
		name: "dialect", pkg: "web/courier", most: 1,
		changes: []change{
			{"internal/app/dialects.go", []replaced{
				{"\t\"quittance/web\"\n", "\t\"quittance/web\"\n\t\"quittance/web/courier\"\n"},
				{"\t\tsecpaid.Spoken(),\n", "\t\tsecpaid.Spoken(),\n\t\tcourier.Spoken(),\n"},
			}},
		},
		tests: []string{"./web/courier", "./web/apidoc TestPage|TestDocument"},
	},
	{
		name: "rail", pkg: "internal/rail/voucher", most: 3,
		changes: []change{
			{"internal/app/rails.go", []replaced{
				{"\t\"quittance/internal/rail/sepa\"\n", "\t\"quittance/internal/rail/sepa\"\n\t\"quittance/internal/rail/voucher\"\n"},
				{"\tl.add(sepa.NewRail(), nil)\n", "\tl.add(sepa.NewRail(), nil)\n\tl.add(voucher.New(g.Book), nil)\n"},
			}},
			{"docs/architecture.md", []replaced{
				{"\n| by bank | `rail/sepa`", "\n| by voucher | `rail/voucher` | nothing: a skeleton | none | |\n| by bank | `rail/sepa`"},
				{"`internal/rail/deposit`, `internal/rail/sepa` |", "`internal/rail/deposit`, `internal/rail/sepa`, `internal/rail/voucher` |"},
			}},
			{"templates/storylink.go", []replaced{
				{"\topen(\"choose\", ", "\topen(\"voucher\", \"A payment that a voucher can make\", func(*DepositPage) {})\n\topen(\"choose\", "},
			}},
		},
		tests: []string{"./internal/rail/voucher", "./internal/app TestServerAsksTheVoucherRail", "./templates Stor"},
	},
}
