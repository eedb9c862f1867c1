# SPDX-License-Identifier: Apache-2.0
"""proofs.py - Coq proofs for test_proofs.py

WRONG: (name, verdict, reason, text[, header, statement]): texts that want to pass without a proof, or to do harm; none may pass.  Without a
statement of its own the theorem is FALSE_THEOREM, which nobody can prove.  reason None: whichever limit it meets first.  @SECRET@ is a file that only we may read, @CANARY@ one that
anyone may write.
RIGHT: (name, header, statement, text): must pass.
"""

FAIL, UNKNOWN = "fail", "unknown"
FALSE_HEADER = "Require Import Arith."
FALSE_THEOREM = "Theorem t : forall n : nat, n = S n."
REALS = "Require Import Reals.\nOpen Scope R_scope."
REALS_FALSE = "Theorem t : forall x : R, x < x."

WRONG = [
    # ---- not proved at all
    ("admitted", FAIL, "admitted", "intros n. Admitted."),
    ("admitted at once", FAIL, "admitted", "Proof. Admitted."),
    ("admit, then Qed", FAIL, "coq-error", "intros n. admit. Qed."),
    ("admit, then Admitted", FAIL, "admitted", "intros n. admit. Admitted."),
    ("give_up", FAIL, "coq-error", "intros n. give_up."),
    ("nothing", FAIL, "coq-error", " "),
    ("aborted", FAIL, "theorem-missing", "intros n. Abort."),
    ("an empty proof", FAIL, "coq-error", "Qed."),
    ("a tactic that does not do it", FAIL, "coq-error", "intros n. reflexivity."),
    ("a goal on the shelf", FAIL, "coq-error", "intros n. shelve. Qed."),
    ("an existential variable left open", FAIL, "coq-error", "eapply eq_trans. Qed."),
    ("only words", FAIL, "coq-error", "The theorem is obvious, since n is equal to itself."),
    # ---- axioms
    ("an axiom inside", FAIL, "axiom-not-allowed", "Axiom cheat : False. destruct cheat."),
    ("an axiom before", FAIL, "axiom-not-allowed", "Axiom cheat : forall P : Prop, P.\nTheorem t : forall n : nat, n = S n.\nProof. intros n. apply cheat. Qed."),
    ("a parameter", FAIL, "axiom-not-allowed", "Parameter cheat : False. destruct cheat."),
    ("a conjecture", FAIL, "axiom-not-allowed", "Conjecture cheat : False. destruct cheat."),
    ("a variable outside of sections", FAIL, "axiom-not-allowed", "Variable cheat : False. destruct cheat."),
    ("an admitted lemma before", FAIL, "axiom-not-allowed", "Lemma cheat : False. Admitted.\nTheorem t : forall n : nat, n = S n.\nProof. destruct cheat. Qed."),
    ("a declared instance", FAIL, "axiom-not-allowed", "Class C := { c : False }.\nDeclare Instance cheat : C.\nTheorem t : forall n : nat, n = S n.\nProof. destruct (@c cheat). Qed."),
    ("a declared module", FAIL, "axiom-not-allowed", "Module Type T. Axiom a : False. End T.\nDeclare Module X : T.\nTheorem t : forall n : nat, n = S n.\nProof. destruct X.a. Qed."),
    ("an allowed axiom's name", FAIL, "axiom-not-allowed", "Axiom functional_extensionality_dep : False. destruct functional_extensionality_dep."),
    ("an allowed axiom's name in a module of its name", FAIL, "axiom-not-allowed",
     "Module FunctionalExtensionality. Axiom functional_extensionality_dep : False. End FunctionalExtensionality.\nTheorem t : forall n : nat, n = S n.\n"
     "Proof. destruct FunctionalExtensionality.functional_extensionality_dep. Qed."),
    ("an allowed axiom's whole name", FAIL, "axiom-not-allowed",
     "Module Coq. Module Logic. Module FunctionalExtensionality. Axiom functional_extensionality_dep : False. End FunctionalExtensionality. End Logic. End Coq.\n"
     "Theorem t : forall n : nat, n = S n.\nProof. destruct Coq.Logic.FunctionalExtensionality.functional_extensionality_dep. Qed."),
    ("an axiom of another module in the module's own name", FAIL, "axiom-not-allowed",
     "Module Espalier_candidate. Axiom t : forall n : nat, n = S n. End Espalier_candidate.\nTheorem t : forall n : nat, n = S n.\nProof. exact Espalier_candidate.t. Qed."),
    ("a hidden axiom behind a functor", FAIL, "axiom-not-allowed",
     "Module Type T. Axiom a : False. End T.\nModule F (X : T). Theorem u : forall n : nat, n = S n. Proof. destruct X.a. Qed. End F.\n"
     "Module A : T. Axiom a : False. End A.\nModule G := F A.\nTheorem t : forall n : nat, n = S n.\nProof. exact G.u. Qed."),
    ("an axiom whose type is many lines", FAIL, "axiom-not-allowed",
     "Axiom cheat : (forall P : Prop, P) /\\ (" + " -> ".join(["nat = nat"] * 40) + "). intros n. apply cheat."),
    ("an axiom of the library that is not allowed", FAIL, "axiom-not-allowed", "intros x. apply classic.",
     "Require Import Reals Classical.\nOpen Scope R_scope.", "Theorem t : forall x : R, x < x \\/ ~ x < x."),
    # ---- another statement
    ("another theorem of its name", FAIL, "statement-changed", "Theorem t : True.\nProof. exact I. Qed."),
    ("ends early and restates", FAIL, "statement-changed", "Abort.\nTheorem t : True.\nProof. exact I. Qed."),
    ("a definition of its name", FAIL, "statement-changed", "Abort.\nDefinition t : True.\nProof. exact I. Defined."),
    ("another premise", FAIL, "statement-changed", "Theorem t : forall n : nat, False -> n = S n.\nProof. intros n H. destruct H. Qed."),
    ("a section's premise", FAIL, "statement-changed", "Section S.\nHypothesis cheat : False.\nTheorem t : forall n : nat, n = S n.\nProof. destruct cheat. Qed.\nEnd S."),
    ("another nat", FAIL, "statement-changed", "Inductive nat := O : nat.\nDefinition S (n : nat) := n.\nTheorem t : forall n : nat, n = S n.\nProof. intros n. reflexivity. Qed."),
    ("another successor", FAIL, "statement-changed", "Definition S (n : nat) := n.\nTheorem t : forall n : nat, n = S n.\nProof. intros n. reflexivity. Qed."),
    ("another equality", FAIL, "statement-changed", "Notation \"x = y\" := True : type_scope.\nTheorem t : forall n : nat, n = S n.\nProof. intros n. exact I. Qed."),
    ("another equality in a scope", FAIL, "statement-changed", "Notation \"x = y\" := (x <= y) : type_scope.\nTheorem t : forall n : nat, n = S n.\nProof. intros n. auto. Qed."),
    ("another successor by an abbreviation", FAIL, "statement-changed", "Notation S := (fun n : nat => n).\nTheorem t : forall n : nat, n = S n.\nProof. intros n. reflexivity. Qed."),
    ("a coercion of the theorem", FAIL, "statement-changed",
     "Inductive W : Type := w : W.\nParameter c : W -> forall n : nat, n = S n.\nCoercion c : W >-> Funclass.\nTheorem t : W.\nProof. exact w. Qed."),
    ("another order on the reals", FAIL, "statement-changed", "Notation \"a < b\" := (True).\nTheorem t : forall x : R, x < x.\nProof. intros. exact I. Qed.", REALS, REALS_FALSE),
    ("another name", FAIL, "theorem-missing", "Abort.\nTheorem t' : True.\nProof. exact I. Qed."),
    ("the theorem inside a module", FAIL, "theorem-missing", "Abort.\nModule N. Definition t := I.\nEnd N."),
    ("the theorem behind a module type", FAIL, "theorem-missing", "Abort.\nModule Type N. Axiom t : forall n : nat, n = S n. End N."),
    # ---- checks switched off, or fooled
    ("without guards", FAIL, "forbidden-command", "Unset Guard Checking.\nFixpoint f (n : nat) : False := f n.\nTheorem t : forall n : nat, n = S n.\nProof. destruct (f 0). Qed."),
    ("without guards, spelled otherwise", FAIL, "forbidden-command", "#[local] Unset\n Guard (* *)\n Checking."),
    ("without positivity", FAIL, "forbidden-command", "Unset Positivity Checking."),
    ("without universes", FAIL, "forbidden-command", "Unset Universe Checking."),
    ("without guards by an attribute", FAIL, "forbidden-command", "#[bypass_check(guard)] Fixpoint f (n : nat) : False := f n."),
    ("a recursion without end", FAIL, "coq-error", "Fixpoint f (n : nat) : False := f n.\nTheorem t : forall n : nat, n = S n.\nProof. destruct (f 0). Qed."),
    ("a type that is not positive", FAIL, "coq-error", "Inductive I := C : (I -> False) -> I.\nTheorem t : forall n : nat, n = S n.\nProof. Admitted."),
    ("Type in Type", FAIL, "coq-error", "Definition U : Type := Type.\nDefinition V : U := U."),
    ("uses itself", FAIL, "coq-error", "exact t."),
    ("a proof by cofixpoint", FAIL, "coq-error", "cofix f. exact f."),
    ("proof using nothing", FAIL, "coq-error", "Proof using. intros n. Qed."),
    # ---- commands
    ("loads a file", FAIL, "forbidden-command", "Load \"/etc/passwd\"."),
    ("loads a file behind a comment", FAIL, "forbidden-command", "(* it is \"all right\" *) Load (* *) \"x\"."),
    ("loads a plugin", FAIL, "forbidden-command", "Declare ML Module \"coq-core.plugins.extraction\"."),
    ("adds a path", FAIL, "forbidden-command", "Add LoadPath \"/tmp\" as X."),
    ("writes a file", FAIL, "forbidden-command", "Redirect \"@CANARY@\" Print t."),
    ("writes a program", FAIL, "forbidden-command", "Require Extraction. Extraction \"@CANARY@\" plus."),
    ("writes universes", FAIL, "forbidden-command", "Print Universes \"@CANARY@\"."),
    ("goes elsewhere", FAIL, "forbidden-command", "Cd \"/\"."),
    ("leaves", FAIL, "forbidden-command", "Quit."),
    ("drops to OCaml", FAIL, "forbidden-command", "Drop."),
    ("times a command that is refused", FAIL, "forbidden-command", "Time Fail Load \"x\"."),
    ("hides Qed in a comment", FAIL, "coq-error", "intros n. (* never ended"),
    ("hides the rest in a string", FAIL, "coq-error", "intros n. idtac \"never ended"),
    ("ends our comment that is none", FAIL, "coq-error", "*) Axiom cheat : False. (*"),
    ("a command in a comment only", FAIL, "coq-error", "(* Load \"x\" *) intros n."),
    ("requires a secret", FAIL, "coq-error", "Require \"@SECRET@\". exact I."),
    ("requires the check", FAIL, "coq-error", "Require Import Espalier_check. exact t."),
    ("requires itself", FAIL, "coq-error", "Require Import Espalier_candidate. exact t."),
    ("bytes that are no text", FAIL, "coq-error", "intros n.\x01\x7f\u2028 exact I."),
    ("options for whoever requires it", FAIL, "admitted",
     "Global Set Printing Depth 1.\nGlobal Set Printing Width 3.\nGlobal Set Printing All.\nGlobal Set Default Goal Selector \"all\".\n"
     "Theorem t : forall n : nat, n = S n.\nProof. Admitted."),
    # ---- too much
    ("computes without end", FAIL, "cpu-limit", "Require Import NArith. assert (N.iter 1000000000000000 negb true = true) by (vm_compute; reflexivity)."),
    ("a tactic without end", FAIL, None, "intros n. let rec f x := f x in f 0."),
    ("repeat without end", FAIL, None, "intros n. repeat (generalize n; intros _)."),
    ("all memory", FAIL, "memory-limit", "Require Import List PArray Uint63. assert (List.length (map (fun i => PArray.make 4194303%uint63 i) (seq 0 1000)) = 0) by (vm_compute; reflexivity)."),
    ("a list that doubles", FAIL, None, "Fixpoint f n := match n with O => nil | S k => (f k ++ 1 :: f k)%list end.\nTheorem t : forall n : nat, n = S n.\nProof. let x := eval vm_compute in (f 40) in idtac. Qed."),
    ("a term that doubles", FAIL, None, "intros n. let rec f x := f constr:((x, x)) in f n."),
    ("prints without end", FAIL, None, "do 100000000 idtac \"" + "x" * 1000 + "\"."),
    ("a deep proof", FAIL, "coq-error", "intros n. " + "(" * 50000),
    ("many sentences", FAIL, "coq-error", "intros n. " + "idtac. " * 5000),
    ("a text too long", FAIL, "proof-too-long", "idtac. " * 50000),
]

PAIR = "Require Import Arith."
RIGHT = [
    ("induction", PAIR, "Theorem t : forall n : nat, n + 0 = n.", "induction n as [| n IH]. reflexivity. simpl. rewrite IH. reflexivity."),
    ("with Proof and Qed", PAIR, "Theorem t : forall n : nat, n + 0 = n.", "Proof.\n  intros n. auto.\nQed."),
    ("with Defined", PAIR, "Theorem t : forall n : nat, n + 0 = n.", "Proof. intros n. auto. Defined."),
    ("in a block", PAIR, "Theorem t : forall n : nat, n + 0 = n.", "Here is the proof:\n```coq\nProof.\nintros n. auto.\nQed.\n```\nThat is all."),
    ("in the last of two blocks", PAIR, "Theorem t : forall n : nat, n + 0 = n.", "First:\n```\nexact I.\n```\nNo:\n```coq\nauto.\n```"),
    ("lia, required inside", "Require Import ZArith.\nOpen Scope Z_scope.", "Theorem t : forall a b : Z, a < b -> 2 * a + 1 < 2 * b.", "Require Import Lia. intros a b H. lia."),
    ("nia", "Require Import ZArith.\nOpen Scope Z_scope.", "Theorem t : forall a : Z, 0 <= a * a.", "Require Import Psatz. intros a. nia."),
    ("ring", "Require Import ZArith.\nOpen Scope Z_scope.", "Theorem t : forall a b : Z, (a + b) * (a - b) = a * a - b * b.", "intros a b. ring."),
    ("lra on the reals", REALS, "Theorem t : forall x y : R, x < y -> 2 * x < 2 * y.", "Require Import Lra. intros x y H. lra."),
    ("nra on the reals", REALS, "Theorem t : forall x : R, 0 <= x * x.", "Require Import Psatz. intros x. nra."),
    ("field on the reals", REALS, "Theorem t : forall x : R, x <> 0 -> x / x = 1.", "intros x H. field. exact H."),
    ("a lemma of the reals", REALS, "Theorem t : sin 0 = 0.", "exact sin_0."),
    ("ln, whose definition needs classic", REALS, "Theorem t : ln 1 = 0.", "exact ln_1."),
    ("bullets and braces", PAIR, "Theorem t : forall n m : nat, n = m /\\ m = n -> n = m.", "intros n m H. destruct H as [A B].\n- exact A."),
    ("braces", PAIR, "Theorem t : True /\\ True.", "split. { exact I. } { exact I. }"),
    ("a lemma before, the statement again", PAIR, "Theorem t : forall n : nat, n * 1 = n.", "Lemma help : forall n, n * 1 = n.\nProof. induction n; simpl; congruence. Qed.\nTheorem t : forall n : nat, n * 1 = n.\nProof. exact help. Qed."),
    ("the statement spelled otherwise", PAIR, "Theorem t : forall n : nat, n * 1 = n.", "Theorem t n : n * 1 = n.\nProof. induction n; simpl; congruence. Qed."),
    ("a command's name in a comment and in a string", PAIR, "Theorem t : True.", "(* Load \"x\" and Admitted. *) idtac \"Load Admitted.\". exact I."),
    ("a lemma with binders", PAIR, "Lemma t (n : nat) (H : n = 1) : n + n = 2.", "subst. reflexivity."),
    ("a definition in the header", "Require Import Arith List.\nFixpoint sum (f : nat -> nat) (n : nat) := match n with 0 => 0 | S k => f k + sum f k end.\nDefinition two := 2.",
     "Theorem t : sum (fun k => two * k) 3 = 6.", "reflexivity."),
    ("a definition in front of the statement", PAIR, "Definition two := 2.\n\nTheorem t : two + two = 4.\nProof.\nAdmitted.", "reflexivity."),
    ("case analysis on the order of the reals", REALS, "Theorem t : forall x : R, x < 0 \\/ x = 0 \\/ x > 0.", "intros x. destruct (Rtotal_order x 0) as [H | [H | H]]; auto."),
]
