// Package archtest holds the rules about the whole tree that a compiler does not
// check: who may import whom, where databases, chains and HTTP clients live, how
// packages and files look, and what no tracked file may say. It is tests only;
// it knows the tree's files and nothing of what they do.
package archtest
