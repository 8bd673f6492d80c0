package bank

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The registry's own examples.
var examples = []string{
	"AD1200012030200359100100", "AE070331234567890123456", "AL47212110090000000235698741", "AT611904300234573201", "AZ21NABZ00000000137010001944",
	"BA391290079401028494", "BE68539007547034", "BG80BNBG96611020345678", "BH67BMAG00001299123456", "BR1800360305000010009795493C1",
	"BY13NBRB3600900000002Z00AB00", "CH9300762011623852957", "CR05015202001026284066", "CY17002001280000001200527600", "CZ6508000000192000145399",
	"DE89370400440532013000", "DK5000400440116243", "DO28BAGR00000001212453611324", "EE382200221020145685", "EG380019000500000000263180002",
	"ES9121000418450200051332", "FI2112345600000785", "FO6264600001631634", "FR1420041010050500013M02606", "GB29NWBK60161331926819",
	"GE29NB0000000101904917", "GI75NWBK000000007099453", "GL8964710001000206", "GR1601101250000000012300695", "GT82TRAJ01020000001210029690",
	"HR1210010051863000160", "HU42117730161111101800000000", "IE29AIBK93115212345678", "IL620108000000099999999", "IQ98NBIQ850123456789012",
	"IS140159260076545510730339", "IT60X0542811101000000123456", "JO94CBJO0010000000000131000302", "KW81CBKU0000000000001234560101", "KZ86125KZT5004100100",
	"LB62099900000001001901229114", "LC55HEMM000100010012001200023015", "LI21088100002324013AA", "LT121000011101001000", "LU280019400644750000",
	"LV80BANK0000435195001", "MC5811222000010123456789030", "MD24AG000225100013104168", "ME25505000012345678951", "MK07250120000058984",
	"MR1300020001010000123456753", "MT84MALT011000012345MTLCAST001S", "MU17BOMM0101101030300200000MUR", "NL91ABNA0417164300", "NO9386011117947",
	"PK36SCBL0000001123456702", "PL61109010140000071219812874", "PS92PALS000000000400123456702", "PT50000201231234567890154", "QA58DOHB00001234567890ABCDEFG",
	"RO49AAAA1B31007593840000", "RS35260005601001611379", "SA0380000000608010167519", "SC18SSCB11010000000000001497USD", "SE4550000000058398257466",
	"SI56263300012039086", "SK3112000000198742637541", "SM86U0322509800000000270100", "ST23000100010051845310146", "SV62CENR00000000000000700025",
	"TL380080012345678910157", "TN5910006035183598478831", "TR330006100519786457841326", "UA213223130000026007233566001", "VA59001123000012345678",
	"VG96VPVG0000012345678901", "XK051212012345678906",
}

func TestRegistryExamples(t *testing.T) {
	seen := map[string]bool{"LY": true, "SD": true, "SO": true} // no example was found twice
	for _, text := range examples {
		i, err := ParseIBAN(text)
		if err != nil || string(i) != text {
			t.Errorf("%s: %q, %v", text, i, err)
		}
		if again, err := ParseIBAN(strings.ToLower(i.Grouped())); err != nil || again != i {
			t.Errorf("%s in groups: %q, %v", text, again, err)
		}
		seen[i.Country()] = true
		// Every single wrong digit is noticed, and every two neighbouring ones that changed places.
		for n := 4; n < len(text); n++ {
			if d := text[n]; d >= '0' && d <= '9' {
				wrong := text[:n] + string('0'+(d-'0'+1)%10) + text[n+1:]
				if _, err := ParseIBAN(wrong); !errors.Is(err, ErrIBAN) {
					t.Errorf("%s is taken", wrong)
				}
			}
			if n+1 < len(text) && text[n] != text[n+1] && text[n] <= '9' && text[n+1] <= '9' {
				wrong := text[:n] + text[n+1:n+2] + text[n:n+1] + text[n+2:]
				if _, err := ParseIBAN(wrong); !errors.Is(err, ErrIBAN) {
					t.Errorf("%s is taken", wrong)
				}
			}
		}
	}
	for code := range countries {
		if !seen[code] {
			t.Errorf("no example of %s", code)
		}
	}
}

func TestIBANRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "a country": "DE", "too short": "DE8937040044053201300", "too long": "DE893704004405320130000", "no country": "ZZ89370400440532013000",
		"another's length": "FR89370400440532013000", "a letter of another alphabet": "DЕ89370400440532013000", "a digit of another": "DE8937040044053201300٠",
		"a hyphen": "DE89-3704-0044-0532-0130-00", "a line break": "DE89370400440532013000\n", "no check digits": "DE00370400440532013000",
		"check digits 99": "XK991212012345678906", "blanks without end": strings.Repeat(" ", 60) + "DE89370400440532013000",
	} {
		if i, err := ParseIBAN(text); !errors.Is(err, ErrIBAN) || i != "" {
			t.Errorf("%s: %q, %v", name, i, err)
		}
	}
	// Each number has one pair of check digits, although three leave the same remainder.
	const bban = "370400440532013000"
	valid := 0
	for n := range 100 {
		if _, err := ParseIBAN(fmt.Sprintf("DE%02d%s", n, bban)); err == nil {
			valid++
		}
	}
	if valid != 1 {
		t.Errorf("%d pairs of check digits are right", valid)
	}
}

func TestIBANTells(t *testing.T) {
	for _, c := range []struct {
		i         IBAN
		sepa, eea bool
		masked    string
	}{
		{"DE89370400440532013000", true, true, "DE89…3000"}, {"GB29NWBK60161331926819", true, false, "GB29…6819"}, {"CH9300762011623852957", true, false, "CH93…2957"},
		{"TR330006100519786457841326", false, false, "TR33…1326"}, {"", false, false, ""}, {"NO9386011117947", true, true, "NO93…7947"},
	} {
		if c.i.SEPA() != c.sepa || c.i.EEA() != c.eea || c.i.Masked() != c.masked {
			t.Errorf("%s: SEPA %t, EEA %t, %s", c.i, c.i.SEPA(), c.i.EEA(), c.i.Masked())
		}
	}
	counted := map[area]int{}
	for _, c := range countries {
		counted[c.area]++
	}
	// 27 of the Union and three of the Association; Switzerland, five small states, Gibraltar
	// and the United Kingdom with five of the Balkans and their neighbour.
	if counted[eea] != 30 || counted[sepa] != 12 {
		t.Errorf("%v", counted)
	}
}

func TestBIC(t *testing.T) {
	for text, want := range map[string]BIC{"BFSWDE33BER": "BFSWDE33BER", "cobadeff": "COBADEFF", "COBA DE FF XXX": "COBADEFFXXX", "1234DE2A": "1234DE2A"} {
		if got, err := ParseBIC(text); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "COBADEF", "COBADEFFX", "COBADEFFXX", "COBADEFFXXXX", "COBA12FF", "COBADEFÄ", "COBA-DEFF", "COBADEFF\n", strings.Repeat(" ", 30) + "COBADEFF"} {
		if got, err := ParseBIC(text); !errors.Is(err, ErrBIC) || got != "" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzIBAN(f *testing.F) {
	for _, text := range []string{"DE89 3704 0044 0532 0130 00", "gb29nwbk60161331926819", "NO9386011117947", "XX00", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseIBAN(text)
		if err != nil {
			if i != "" {
				t.Fatalf("%q: %q beside an error", text, i)
			}
			return
		}
		if again, err := ParseIBAN(i.Grouped()); err != nil || again != i || len(i) > 34 || mod97(string(i[4:]+i[:4])) != 1 {
			t.Fatalf("%q: %q, then %q, %v", text, i, again, err)
		}
	})
}
