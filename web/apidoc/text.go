package apidoc

import (
	"regexp"
	"strings"

	"quittance/templates"
)

// section is a part of a description under a heading.
type section struct {
	title string
	text  string
}

// sections splits a description at its headings; what stands before the first
// has no title.
func sections(text string) []section {
	out := []section{{}}
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			out = append(out, section{title: strings.TrimSpace(title)})
			continue
		}
		out[len(out)-1].text += line
	}
	if strings.TrimSpace(out[0].text) == "" {
		out = out[1:]
	}
	return out
}

// blocks reads the little of CommonMark that the document uses: paragraphs,
// lists with a dash, fenced code, and in all of them `code`, **strong** and
// [links](address).
func blocks(text string) []templates.APIDocBlock {
	var out []templates.APIDocBlock
	var lines []string
	list, code := false, false
	flush := func() {
		if len(lines) > 0 {
			out = append(out, block(lines, list))
		}
		lines, list = nil, false
	}
	for line := range strings.SplitSeq(text, "\n") {
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence && code:
			out = append(out, templates.APIDocBlock{Code: strings.Join(lines, "\n")})
			lines, code = nil, false
		case fence:
			flush()
			code = true
		case code:
			lines = append(lines, line)
		case strings.TrimSpace(line) == "":
			flush()
		default:
			if strings.HasPrefix(line, "- ") && !list {
				flush()
				list = true
			}
			lines = append(lines, line)
		}
	}
	flush()
	return out
}

func block(lines []string, list bool) templates.APIDocBlock {
	if !list {
		return templates.APIDocBlock{Text: spans(join(lines))}
	}
	var b templates.APIDocBlock
	var item []string
	for _, line := range lines {
		if first, ok := strings.CutPrefix(line, "- "); ok {
			if item != nil {
				b.Items = append(b.Items, spans(join(item)))
			}
			item = []string{first}
			continue
		}
		item = append(item, line)
	}
	b.Items = append(b.Items, spans(join(item)))
	return b
}

func join(lines []string) string { return strings.Join(strings.Fields(strings.Join(lines, " ")), " ") }

var marks = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*|\\[([^\\]]+)\\]\\(([^)\\s]+)\\)")

func spans(text string) []templates.APIDocSpan {
	var out []templates.APIDocSpan
	plain := func(s string) {
		if s != "" {
			out = append(out, templates.APIDocSpan{Text: s})
		}
	}
	at := 0
	for _, m := range marks.FindAllStringSubmatchIndex(text, -1) {
		plain(text[at:m[0]])
		switch {
		case m[2] >= 0:
			out = append(out, templates.APIDocSpan{Kind: templates.APIDocCode, Text: text[m[2]:m[3]]})
		case m[4] >= 0:
			out = append(out, templates.APIDocSpan{Kind: templates.APIDocStrong, Text: text[m[4]:m[5]]})
		default:
			out = append(out, templates.APIDocSpan{Kind: templates.APIDocLink, Text: text[m[6]:m[7]], Link: text[m[8]:m[9]]})
		}
		at = m[1]
	}
	plain(text[at:])
	return out
}
