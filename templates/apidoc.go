package templates

// APIDocPage is the API document as a page.
type APIDocPage struct {
	Assets  Assets
	CSS     string // address of the page's own style sheet
	Title   string
	Version string
	Summary string
	BaseURL string
	Intro   []APIDocBlock
	Guide   []APIDocSection // what there is to know before the operations
	Schemes []APIDocScheme
	Groups  []APIDocGroup
	Hooks   APIDocGroup
	Signed  []APIDocField // headers of every delivery
	Headers []APIDocField // of every answer
}

// APIDocSection is text under a heading.
type APIDocSection struct {
	ID, Title string
	Text      []APIDocBlock
}

// APIDocBlock is a paragraph, a list or lines of code; one of the three is set.
type APIDocBlock struct {
	Text  []APIDocSpan
	Items [][]APIDocSpan
	Code  string
}

// The kinds of spans; "" is plain text.
const (
	APIDocCode   = "code"
	APIDocStrong = "strong"
	APIDocLink   = "link"
)

// APIDocSpan is a run of words.
type APIDocSpan struct{ Kind, Text, Link string }

// APIDocScheme is a way to say who calls.
type APIDocScheme struct {
	ID, Title string
	Where     string // "header x-api-key"
	Text      []APIDocBlock
}

// APIDocGroup is operations that belong together.
type APIDocGroup struct {
	ID, Title  string
	Text       []APIDocBlock
	Operations []APIDocOperation
}

// APIDocOperation is one call, ours or the receiver's.
type APIDocOperation struct {
	ID         string
	Method     string
	Path       string // "" for a webhook, whose address is the receiver's
	Title      string
	Text       []APIDocBlock
	Schemes    []APIDocScheme // any of them opens it
	Parameters []APIDocField
	Body       []APIDocField
	Curl       string
	Examples   []APIDocExample
	Responses  []APIDocResponse
}

// APIDocField is a parameter, a header or a member of a body; Depth is how far
// it is inside of others. One that is a Heading begins an alternative.
type APIDocField struct {
	Heading  bool
	Name     string
	Depth    int
	In       string // of a parameter: "path", "query", "header"; "" where it goes without saying
	Type     string
	Required bool // of what is sent
	Absent   bool // may be, of what is answered
	Rules    []string
	Text     []APIDocSpan
}

// APIDocExample is a body to look at.
type APIDocExample struct{ Title, Body string }

// APIDocResponse is one status of an operation.
type APIDocResponse struct {
	Status  string
	Text    []APIDocSpan
	Headers []APIDocField // beside those of every answer
	Fields  []APIDocField // of the body; none for the common error body
	Example string
	Fine    bool // 2xx
}

func apiDocOr(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// apiDocMore says what opens under an answer.
func apiDocMore(r APIDocResponse) string {
	switch {
	case len(r.Fields) > 0 && r.Example != "":
		return "Body and example"
	case len(r.Fields) > 0:
		return "Body"
	case r.Example != "":
		return "Example"
	}
	return "Headers"
}
