//go:build !nosandbox

package templates_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"quittance/templates"
)

// shownBy names what a page draws an instruction of each kind into.
var shownBy = map[string]string{
	"Calls":        "#act",
	"Deposit":      "#send",
	"BankTransfer": "#bank",
}

// A rail brings instructions, and each kind of them a component. One that no story shows
// is one that nobody has looked at, on a phone or with a screen reader.
func TestStoriesShowEveryKindOfInstruction(t *testing.T) {
	kinds := instructionKinds(t)
	if len(kinds) < len(shownBy) {
		t.Errorf("internal/rail has the kinds %v only", kinds)
	}
	for _, kind := range kinds {
		selector := shownBy[kind]
		if selector == "" {
			t.Errorf("say in shownBy what shows a %s, and add a story of it", kind)
			continue
		}
		shown := slices.ContainsFunc(stories(), func(s templates.Story) bool {
			_, doc := render(t, s.Page)
			return doc.Find(selector).Not("[hidden]").Length() == 1
		})
		if !shown {
			t.Errorf("no story shows a %s in %s", kind, selector)
		}
	}
}

// instructionKinds are the types of internal/rail that are an Instruction, by its source:
// this package must not know the rails.
func instructionKinds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../internal/rail/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "instruction" || f.Recv == nil {
				continue
			}
			of := f.Recv.List[0].Type
			if pointer, ok := of.(*ast.StarExpr); ok {
				of = pointer.X
			}
			kinds = append(kinds, of.(*ast.Ident).Name)
		}
	}
	slices.Sort(kinds)
	return kinds
}
