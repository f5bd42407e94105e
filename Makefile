PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
TINY = dataset=tiny_imagenet dataset.root=$(TINY_IMAGENET)
EVERY_CORE := hydra/launcher=joblib
SMALL := 'select={choices.experiment:table_2_2_small}'
SMALL_4_1 := 'select={choices.experiment:[table_4_1_small,table_4_1_no_targets_small]}'

# Figures 4-9 to 4-18 and the run that each shows.
GRIDS_4 := 4-9:am_gan_dynamic 4-10:am_gan_predefined 4-11:ac_gan_dynamic 4-12:ac_gan_predefined \
	4-13:ac_gan_plus_dynamic 4-14:ac_gan_plus_predefined \
	4-15:label_gan_extra_layer_False 4-16:label_gan_extra_layer_True \
	4-17:gan_extra_layer_False 4-18:gan_extra_layer_True

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-unit test-slow test-portable lint audit format provenance archive bundle unbundle benchmark table-2-2 table-2-2-run \
	table-2-2-small \
	table-4-1 table-4-1-run table-4-1-small table-4-2 table-4-3 table-4-3-run \
	table-2-2-real-small table-4-1-real-small report \
	chapter-2 chapter-2-run known-critics-run chapter-3 chapter-3-run figures-3-run resnet-small-run optimizers optimizers-run \
	toys toys-run systems systems-run clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## install into .venv, then train the default GAN on the embedded digits (about 3 minutes)
	$(BIN)/python train.py

test: $(INSTALLED) ## the tests of every commit (minutes)
	$(BIN)/python -m pytest -m "not slow and not gpu" --numprocesses auto --maxprocesses 4 --dist loadfile

test-unit: $(INSTALLED) ## the tests of single parts: no program, no whole run (a minute)
	$(BIN)/python -m pytest -m "unit and not slow and not gpu" --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(INSTALLED) ## the tests that take longer, and those that need a GPU where there is one
	$(BIN)/python -m pytest -m "slow or gpu"

# Each changes which kernels run: no result may depend on the processor.
KERNELS := ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 OMP_NUM_THREADS=4

test-portable: $(INSTALLED) ## the tests of every commit with the kernels of other processors (about an hour on 2 cores)
	for setting in $(KERNELS); do echo "== $$setting"; env $$setting $(MAKE) test || exit 1; done

DOCS := .venv-docs

docs: $(DOCS)/installed ## the pages of docs/ into build/docs; every warning is an error
	$(PYTHON) docs/generate_record.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo "docs: build/docs/index.html"

# not in .venv: mkdocs needs nothing of gan_lab, which is read and never imported
$(DOCS)/installed: pyproject.toml constraints.txt
	test -d $(DOCS) || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --constraint constraints.txt $$($(PYTHON) -c \
		"import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'])")
	touch $@

lint: $(INSTALLED) ## ruff (format and check), mypy, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(INSTALLED) ## bandit over the code, pip-audit over constraints.txt (asks the package index for known vulnerabilities)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src scripts train.py
	@$(BIN)/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt || { echo "audit: not passed. \
	Either a package above is vulnerable, or one was not found or the index not reached: then NOTHING was audited" >&2; exit 1; }

format: $(INSTALLED) ## let ruff rewrite the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

provenance: ## write the commit and the hashes of the code into src/gan_lab, for a copy that will have no git
	$(PYTHON) src/gan_lab/records/provenance.py

archive: provenance ## the last commit as gan_lab.tar.gz, which tells its commit where there is no git
	git archive --output=gan_lab.tar.gz --prefix=gan_lab/src/gan_lab/ --add-file=src/gan_lab/provenance.json \
		--prefix=gan_lab/ HEAD

bundle: $(INSTALLED) ## DATA=FOLDER: source, wheels, data and campaign.yaml for a GPU machine without a network
	$(BIN)/python scripts/bundle.py pack --data $(or $(DATA),$(error make bundle: add DATA=FOLDER, the images to carry))

unbundle: $(INSTALLED) ## ARCHIVE=FOLDER: bring home what a bundle's run.sh wrote; the next bundle continues it
	$(BIN)/python scripts/bundle.py unpack $(or $(ARCHIVE),$(error make unbundle: add ARCHIVE=FOLDER, what run.sh wrote))

benchmark: $(INSTALLED) ## the training step, penalties, optimizers, scores and data on this machine
	$(BIN)/python scripts/benchmark.py all

table-2-2: $(INSTALLED) ## collect the runs of Table 2-2; its table and figures from results/records
	for runs in $(wildcard outputs/table_2_2*); do $(BIN)/python scripts/collect.py runs=$$runs || true; done
	$(BIN)/python scripts/tables.py table=2-2
	$(BIN)/python scripts/figures.py figure=[2-7,2-13,2-14,2-15]

table-2-2-run: $(INSTALLED) ## train Table 2-2: 75 runs of 200,000 steps, and 72 more with TINY_IMAGENET=FOLDER
	-$(BIN)/python train.py experiment=table_2_2 dataset=cifar10
	-$(BIN)/python train.py experiment=table_2_2_wgan_gp
	-$(if $(TINY_IMAGENET),$(BIN)/python train.py experiment=table_2_2 dataset=tiny_imagenet dataset.root=$(TINY_IMAGENET))

table-2-2-small: $(INSTALLED) ## Table 2-2 on the embedded digits, in small: train 24 runs, then its table and figures
	-$(BIN)/python train.py $(EVERY_CORE) experiment=table_2_2_small
	$(BIN)/python scripts/collect.py runs=outputs/table_2_2_small replace=true
	$(BIN)/python scripts/tables.py table=2-2 datasets=[digits] name=table_2_2_small $(SMALL)
	$(BIN)/python scripts/figures.py figure=[2-7,2-14] datasets=[digits] $(SMALL)

table-4-1: $(INSTALLED) ## collect the runs of Table 4-1; its table and figures from results/records
	for runs in $(wildcard outputs/table_4_1*); do $(BIN)/python scripts/collect.py runs=$$runs || true; done
	$(BIN)/python scripts/tables.py table=4-1
	$(BIN)/python scripts/figures.py figure=[4-3,4-7,4-8]

table-4-1-run: $(INSTALLED) ## train Table 4-1: 45 runs of 1,000,000 steps (24 more with TINY_IMAGENET=FOLDER), scored by Inception too
	-$(BIN)/python train.py experiment=table_4_1
	-$(BIN)/python train.py experiment=table_4_1_no_targets
	-$(BIN)/python train.py experiment=table_4_1_ac_gan_original
	-$(BIN)/python train.py experiment=table_4_1_ac_gan_weight
	-$(if $(TINY_IMAGENET),$(BIN)/python train.py experiment=table_4_1 $(TINY))
	-$(if $(TINY_IMAGENET),$(BIN)/python train.py experiment=table_4_1_no_targets loss=label_gan $(TINY))
	$(BIN)/python scripts/evaluate.py runs=outputs/table_4_1 evaluation=inception history=true \
		evaluation.samples_in_training=50000

table-4-1-small: $(INSTALLED) ## Table 4-1 on the embedded digits, in small: train 24 runs, then tables 4-1, 4-2 and figures
	-$(BIN)/python train.py $(EVERY_CORE) experiment=table_4_1_small
	-$(BIN)/python train.py $(EVERY_CORE) experiment=table_4_1_no_targets_small
	$(BIN)/python scripts/collect.py runs=outputs/table_4_1_small replace=true
	$(BIN)/python scripts/tables.py table=4-1 datasets=[digits] name=table_4_1_small $(SMALL_4_1)
	$(BIN)/python scripts/tables.py table=4-2 datasets=[digits] name=table_4_2_small $(SMALL_4_1)
	$(BIN)/python scripts/figures.py figure=[4-3,4-7,4-8] datasets=[digits] $(SMALL_4_1)
	for pair in $(GRIDS_4); do $(BIN)/python scripts/figures.py figure=$${pair%%:*} \
		run_dirs=[outputs/table_4_1_small/digits_$${pair#*:}_seed0]; done

# The small tables on real images, a target for each cell: a record that is collected counts as done, whatever has become
# of outputs/; a cell that was killed goes on. Two at a time, a thread each.
# A whole column of the table comes before the next one: what is there early can be read.
CELLS_2_2 := $(foreach seed,0 1 2,cell-2-2/wasserstein/gp/10/$(seed) $(foreach weight,0.1 1, \
	$(foreach loss,wasserstein exp logistic sqrt quadratic hinge,cell-2-2/$(loss)/maxgp/$(weight)/$(seed))))
# Models without targets have the extra layer in the column of predefined labels.
CELLS_4_1 := $(foreach seed,0 1,$(foreach column,dynamic/false predefined/true, \
	$(foreach loss,am_gan ac_gan ac_gan_plus,cell-4-1/$(loss)/$(patsubst %/,%,$(dir $(column)))/$(seed)) \
	$(foreach loss,gan gan_star label_gan,cell-4-1-no-targets/$(loss)/$(notdir $(column))/$(seed))))
word_of = $(word $(1),$(subst /, ,$*))
# (experiment, a pattern of its records): true where one of them is of the experiment
recorded = grep -qs '"experiment": "$(1)"' results/records/cifar10-jpeg_$(2)_*.json
COLLECT_CELL = $(BIN)/python scripts/collect.py replace=true

cell-2-2/%:
	@$(call recorded,table_2_2_real_small,$(call word_of,1)_$(call word_of,2)$(call word_of,3)_seed$(call word_of,4)) || \
	{ OMP_NUM_THREADS=1 $(BIN)/python train.py experiment=table_2_2_real_small loss=$(call word_of,1) \
	penalty=$(call word_of,2) penalty.weight=$(call word_of,3) seed=$(call word_of,4) && $(COLLECT_CELL) \
	runs=outputs/table_2_2_real_small/$(call word_of,1)_$(call word_of,2)$(call word_of,3)_seed$(call word_of,4); }

cell-4-1/%:
	@$(call recorded,table_4_1_real_small,$(call word_of,1)_none_$(call word_of,2)*seed$(call word_of,3)) || \
	{ OMP_NUM_THREADS=1 $(BIN)/python train.py experiment=table_4_1_real_small loss=$(call word_of,1) \
	labels=$(call word_of,2) seed=$(call word_of,3) && $(COLLECT_CELL) \
	runs=outputs/table_4_1_real_small/$(call word_of,1)_$(call word_of,2)_seed$(call word_of,3); }

cell-4-1-no-targets/%:
	@$(call recorded,table_4_1_no_targets_real_small,$(call word_of,1)_none$(if $(filter true,$(call \
	word_of,2)),_extra-layer)_seed$(call word_of,3)) || \
	{ OMP_NUM_THREADS=1 $(BIN)/python train.py experiment=table_4_1_no_targets_real_small loss=$(call word_of,1) \
	architecture.extra_layer=$(call word_of,2) seed=$(call word_of,3) && $(COLLECT_CELL) \
	runs=outputs/table_4_1_real_small/$(call word_of,1)_extra_layer_$(if $(filter true,$(call \
	word_of,2)),True,False)_seed$(call word_of,3); }

table-2-2-real-small: $(INSTALLED) ## Table 2-2 in small on data/cifar10-jpeg at 16 pixels: 39 runs (8 hours on 2 cores)
	-$(MAKE) --keep-going --jobs 2 $(CELLS_2_2)
	$(BIN)/python scripts/tables.py table=2-2 datasets=[cifar10-jpeg] name=table_2_2_real_small \
		'select={choices.experiment:table_2_2_real_small}'

table-4-1-real-small: $(INSTALLED) ## Table 4-1 in small on data/cifar10-jpeg at 16 pixels: 24 runs (5 hours on 2 cores)
	-$(MAKE) --keep-going --jobs 2 $(CELLS_4_1)
	$(BIN)/python scripts/tables.py table=4-1 datasets=[cifar10-jpeg] name=table_4_1_real_small \
		'select={choices.experiment:[table_4_1_real_small,table_4_1_no_targets_real_small]}'
	$(BIN)/python scripts/tables.py table=4-2 datasets=[cifar10-jpeg] name=table_4_2_real_small \
		'select={choices.experiment:[table_4_1_real_small,table_4_1_no_targets_real_small]}'

report: $(INSTALLED) ## every table and figure of the thesis, with its state and verdict, as outputs/reports/thesis.html
	$(BIN)/python scripts/report.py thesis=true

table-4-2: $(INSTALLED) ## Table 4-2 (MS-SSIM within classes) from results/records
	$(BIN)/python scripts/tables.py table=4-2

table-4-3: $(INSTALLED) ## collect the runs of Table 4-3; the table beside related work
	for runs in $(wildcard outputs/table_4_3*); do $(BIN)/python scripts/collect.py runs=$$runs || true; done
	$(BIN)/python scripts/tables.py table=4-3

table-4-3-run: $(INSTALLED) ## train the AM-GAN of Table 4-3: 3 runs of 1,000,000 steps with the wide critic
	-$(BIN)/python train.py experiment=table_4_3

STUDIES_2 := gradient_uninformativeness lipschitz_methods lipschitz_constraints lipschitz_memory gradient_direction \
	ten_images ten_images_continuous lipschitz_estimates lipschitz_estimates_constraints
COMPUTED_2 := table_2_1 divergences games
RUNS_2 := critic_stability exp_penalties s_max_small
STUDIES_3 := counterexample critical_betas correlation $(addprefix table_3_5_,sgd adam adashift_none adashift) \
	$(addprefix table_3_7_,adam adashift) $(addprefix table_3_8_,adam adashift)
RUN_STUDY = OMP_NUM_THREADS=1 $(BIN)/python scripts/study.py $(EVERY_CORE)
RUN_COMPUTED = OMP_NUM_THREADS=1 $(BIN)/python scripts/study.py # a second a cell: one interpreter for all
COLLECT_STUDIES = $(BIN)/python scripts/collect.py runs=outputs/studies out=results/studies replace=true
TABLE := $(BIN)/python scripts/table.py runs=results/studies out=results/tables
STABILITY := $(BIN)/python scripts/table.py runs=results/stability out=results/tables

SEEDS := 0# of chapter-2-run
AT_SEEDS = 'hydra.sweeper.params.seed="$(SEEDS)"'

chapter-2-run: $(INSTALLED) ## run the studies and short trainings of chapter 2 (half an hour a seed); SEEDS=1,2 adds two
	-for study in $(STUDIES_2); do $(RUN_STUDY) sweep=$$study $(AT_SEEDS); done
	-for study in $(COMPUTED_2); do $(RUN_COMPUTED) sweep=$$study; done
	-for experiment in $(RUNS_2); do OMP_NUM_THREADS=1 $(BIN)/python train.py $(EVERY_CORE) experiment=$$experiment $(AT_SEEDS); done
	$(COLLECT_STUDIES)
	$(BIN)/python scripts/collect.py runs=outputs/stability out=results/stability replace=true

known-critics-run: $(INSTALLED) ## penalties and constraints beside critics that are known in closed form
	-for study in known_critics known_critics_constraints; do $(RUN_STUDY) sweep=$$study; done
	$(COLLECT_STUDIES)

chapter-2: $(INSTALLED) ## the tables and figures of chapter 2's studies from results/studies
	$(TABLE) 'select={choices.study:lipschitz_methods,penalty.memory:[0,null]}' rows=penalty name=lipschitz_methods \
		score=[cosine,hit_rate,known_fakes,k_error,objective_gap,oscillation]
	$(TABLE) 'select={choices.study:lipschitz_methods,choices.penalty:maxgp,seed:[0,1,2,3,4]}' rows=penalty.memory \
		name=lipschitz_memory baseline=penalty.memory:0 score=[cosine,k_error,objective_gap,oscillation]
	$(TABLE) 'select={choices.study:gradient_direction}' rows=loss name=gradient_direction \
		score=[cosine,hit_rate,known_fakes,k_error,objective_gap]
	$(TABLE) 'select={choices.study:ten_images,study.continuous:false}' rows=[dataset.name,penalty] columns=loss name=ten_images \
		score=[hit_rate,cosine,left_over,k_error]
	$(TABLE) 'select={choices.study:ten_images,study.continuous:true}' rows=[dataset.name,loss] name=ten_images_continuous \
		score=[hit_rate,cosine,known_fakes,left_over,k_error]
	$(TABLE) 'select={choices.study:gradient_uninformativeness}' rows=study.setting columns=study.layout \
		name=gradient_uninformativeness score=[transport_agreement,optimum_error,gradient_spread,sign_changes]
	$(TABLE) 'select={choices.study:known_critics}' rows=penalty columns=study.dimension name=known_critics \
		score=[gradient_cosine,gradient_l2,w1_ratio]
	$(STABILITY) 'select={choices.experiment:[critic_stability,s_max_small],choices.loss:exp}' rows=penalty.memory \
		name=s_max_small baseline=penalty.memory:0 \
		score=[fid_classifier_10k_train,is_classifier_10k_10x,am_classifier_10k]
	$(BIN)/python scripts/curves.py runs=results/stability 'select={choices.experiment:exp_penalties}' \
		rows=[penalty,penalty.target] facet=dataset.name curves=output_real name=exp_penalties out=results/figures
	$(BIN)/python scripts/figures.py figure=2-6 records=results/stability 'select={choices.experiment:critic_stability}'
	$(TABLE) 'select={choices.study:table_2_1}' rows=study.objective name=table_2_1 \
		score=[vanishes,vanishes_in_thesis,uninformative,uninformative_in_thesis,unique,unique_in_thesis,optimum_error,printed_error,objective_error,slope_disjoint,slope_covered,cost_of_turning,spread]
	$(TABLE) 'select={choices.study:divergences}' rows=study name=divergences \
		score=[lines_w1_error,lines_js_error,lines_tv_error,lines_kl_finite,normal_error,tv_apart,kl_apart,js_apart,w1_apart,tv_overlapping,kl_overlapping,js_overlapping,w1_overlapping,js_identity_error,ipm_bounded_error,ipm_lipschitz_error,convexity_violation,convexity_gap,convexity_equal]
	$(TABLE) 'select={choices.study:games}' rows=study.method columns=study.game name=games \
		score=[growth,spectral_radius,growth_error,curvature_u,curvature_v]
	$(TABLE) 'select={choices.study:lipschitz_estimates}' rows=penalty name=lipschitz_estimates \
		score=[lower,upper,seed_004,mean_slope,optimal_slope,w1_ratio]
	$(BIN)/python scripts/figures.py figure=[2-1,2-2,2-3,2-4,2-5,2-8,2-9,2-10,2-11,2-12,2-19]
	$(BIN)/python scripts/figures.py figure=[divergences,games,lipschitz_estimates]

chapter-3-run: $(INSTALLED) ## run the studies of chapter 3 in small (needs MNIST in data); a call goes on where another stopped
	-for study in $(STUDIES_3); do $(RUN_STUDY) sweep=$$study; done
	$(COLLECT_STUDIES)

chapter-3: $(INSTALLED) ## the tables and figures of chapter 3's studies from results/studies
	$(TABLE) 'select={choices.study:counterexample}' rows=study.C name=counterexample \
		score=[theta_adam,theta_amsgrad,theta_adashift]
	$(TABLE) 'select={choices.study:correlation}' rows=study.activation name=tables_3_1_to_3_4 \
		score=[temporal,spatial,adam,non_adashift_current,non_adashift_shifted,max_adashift_current,max_adashift_shifted]
	$(TABLE) 'select={choices.study:classification,study.network:logistic}' rows=optimizer name=table_3_5 \
		score=[train_loss,test_accuracy]
	$(TABLE) 'select={choices.study:classification,study.network:[mlp,mlp_linear]}' rows=optimizer columns=study.network \
		name=table_3_6 score=[train_loss,test_accuracy]
	$(TABLE) 'select={choices.study:classification,study.network:resnet18}' rows=optimizer columns=dataset.name \
		name=resnet_small score=[train_loss,test_accuracy]
	$(TABLE) 'select={choices.study:critic_only}' rows=optimizer columns=dataset name=table_3_7 score=objective
	$(TABLE) 'select={choices.study:translation,choices.sweep:[table_3_8_adam,table_3_8_adashift]}' rows=optimizer \
		name=table_3_8 score=[train_loss,word_accuracy,sentence_accuracy]
	$(BIN)/python scripts/figures.py figure=[3-1,3-2,3-3,3-4,3-7,3-7b,3-8,3-9,3-11,3-13,3-15,3-16,3-17,3-18]

FIGURES_3 := figure_3_9_temporal figure_3_9_spatial figure_3_11 figure_3_13 figure_3_15 figure_3_16 figure_3_17 figure_3_18

figures-3-run: $(INSTALLED) ## sweeps of Table 3-9 and Figures 3-9 to 3-18 in small on digits (hours); then make chapter-3
	-for study in $(addprefix table_3_9_resnet_,adam adashift) $(FIGURES_3); do $(RUN_STUDY) sweep=$$study; done
	$(COLLECT_STUDIES)

ON_CIFAR_JPEG := dataset=image_folder dataset.root=data/cifar10-jpeg dataset.name=cifar10-jpeg
RESNET_SMALL := $(ON_CIFAR_JPEG) study.epochs=2 study.lr_drops=[] 'hydra.sweeper.params.seed="0,1"'

resnet-small-run: $(INSTALLED) ## Figure 3-4 in small on data/cifar10-jpeg: 8 runs of 2 epochs (an hour); then make chapter-3
	-for optimizer in sgd adam adashift; do $(RUN_STUDY) sweep=table_3_9_resnet_$$optimizer $(RESNET_SMALL); done
	$(COLLECT_STUDIES)

optimizers-run: $(INSTALLED) ## tune every optimizer with the same budget on three workloads (half an hour; needs MNIST in data)
	-for study in logistic mlp gan; do $(RUN_STUDY) sweep=optimizers_$$study; done
	$(COLLECT_STUDIES)

optimizers: $(INSTALLED) ## the table and the figure of the tuned optimizers from results/studies
	$(TABLE) 'select={choices.study:[optimizers,optimizers_gan]}' rows=optimizer columns=drawn.workload name=optimizers \
		score=[valid,test,rate]
	$(BIN)/python scripts/figures.py figure=optimizers

toys-run: $(INSTALLED) ## train ring and grid in small, 120 runs of 10 to 20 s of one thread; a call goes on where another stopped
	-OMP_NUM_THREADS=1 $(BIN)/python train.py $(EVERY_CORE) experiment=toys
	$(BIN)/python scripts/collect.py runs=outputs/toys out=results/toys replace=true

toys: $(INSTALLED) ## the table of ring and grid from results/toys
	$(BIN)/python scripts/table.py runs=results/toys out=results/tables rows=loss columns=penalty facet=dataset name=toys \
		score=[modes_mixture_2500,good_mixture_2500,modekl_mixture_2500]

SYSTEMS_RUN := OMP_NUM_THREADS=1 $(BIN)/python train.py $(EVERY_CORE) experiment=systems_small

systems-run: $(INSTALLED) ## train self-attention, progressive growing, relativistic losses and game optimizers on digits (an hour)
	-$(SYSTEMS_RUN)
	-$(SYSTEMS_RUN) architecture=progressive optimizer.lr=3e-2
	-$(SYSTEMS_RUN) architecture=resnet loss=relativistic penalty=r1_r2
	-$(SYSTEMS_RUN) architecture=resnet optimizer=optimistic_adam
	-$(SYSTEMS_RUN) architecture=resnet optimizer=extra_adam max_generator_steps=1500 evaluate_every=300
	$(BIN)/python scripts/collect.py runs=outputs/systems_small out=results/systems replace=true

systems: $(INSTALLED) ## their table, each system beside the resnet with exp + maxgp and Adam, from results/systems
	$(BIN)/python scripts/table.py runs=results/systems out=results/tables rows=[architecture,loss,penalty,optimizer] name=systems \
		'baseline={architecture:resnet,loss:exp,penalty:maxgp,optimizer:adam}' \
		score=[fid_classifier_10k_train,is_classifier_10k_10x,am_classifier_10k]

clean: ## remove the installation and caches; runs and data stay
	rm -rf $(VENV) $(DOCS) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
