"""Client of the authoring API of Azure Language: projects, import, export, training, deployments.

API: "Language Text Analysis Authoring", version 2023-04-01, ``{endpoint}/language/authoring/analyze-text``. Plain
httpx, because Microsoft's SDK exists as a beta only and cannot import on this version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmlabel.errors import AuthenticationError, ExportError, ServiceError
from llmlabel.platforms.azure_language import TARGET
from llmlabel.platforms.azure_language.access import same_origin
from llmlabel.platforms.azure_language.connection import Connection, as_object
from llmlabel.platforms.azure_language.file_checks import labels_file_problems
from llmlabel.platforms.azure_language.jobs import Job, job_of

_NO_JOB = "00000000-0000-0000-0000-000000000000"


class AzureLanguageClient(Connection):
    """Talks to one Language resource; the credential goes to its origin only.

    Args:
        endpoint: Address of the Language resource, ``https://NAME.cognitiveservices.azure.com``.
        api_key: Its key; default: the environment variable ``AZURE_LANGUAGE_KEY``.
        credential: An Entra ID credential (``azure.identity``) instead of a key.
        scope: What the credential's tokens are for.
        api_version: Another version of the API, such as ``"2025-05-15-preview"``.
        timeout: Seconds for one request.
        job_deadline: Most seconds to wait for a job.
        retries: How often a request is sent again that the service did not take (429), or that only reads.
        on_progress: Called with each state of a job that is waited for.
        clock: Where the time comes from.
        transport: An ``httpx`` transport of your own (a proxy, client certificates); never closed here.

    Raises:
        ConfigurationError: No credential, or plain http to another machine.
    """

    # -- projects ---------------------------------------------------------------------------------------------------

    def projects(self) -> Iterator[dict[str, Any]]:
        """Yield the metadata of every project of the resource."""
        return self._pages("")

    def project(self, name: str) -> dict[str, Any] | None:
        """Return the metadata of a project, or None if there is none of this name."""
        reply = self._send("GET", self._url(name), f"project {name!r}", absent=True)
        return None if reply is None else as_object(reply.body)

    def create_project(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Create a project without labels, or change the settings of one; return its metadata."""
        name = str(metadata["projectName"])
        reply = self._sent(
            "PATCH", self._url(name), f"create {name!r}", metadata, content_type="application/merge-patch+json"
        )
        return as_object(reply.body)

    def delete_project(self, name: str) -> Job:
        """Delete a project with all its labels and models; the texts stay in their container."""
        return self._job("delete", "DELETE", self._url(name))

    def import_project(self, name: str, content: Mapping[str, Any], *, check: bool = True) -> Job:
        """Replace a project by a labels file and wait until that is done.

        Args:
            name: The project.
            content: The labels file.
            check: Whether to refuse a file that breaks a rule of the format before anything is sent. False is for
                what the service exported itself, which may hold things of people that no rule of ours foresees.

        Raises:
            ExportError: The file breaks rules of the format; all of them, and nothing was sent.
            ServiceError: The service refused the file; with codes, targets and hints.
        """
        problems = labels_file_problems(content) if check else []
        if problems:
            raise ExportError(TARGET, problems)
        return self._job("import", "POST", self._url(name, ":import"), content)

    def export_project(self, name: str) -> dict[str, Any]:
        """Return a project as a labels file.

        Raises:
            ServiceError: The job failed, or its result lies elsewhere.
        """
        url = self._url(name, ":export", stringIndexType="Utf16CodeUnit")
        job = self._job("export", "POST", url)
        where = job.state.get("resultUrl")
        if not isinstance(where, str):
            raise ServiceError(f"Azure Language: the export job {job.id!r} names no resultUrl")
        reply = self._sent("GET", same_origin(where, self.endpoint, "resultUrl"), f"labels of {name!r}")
        return as_object(reply.body)

    # -- models -----------------------------------------------------------------------------------------------------

    def training_versions(self, project_kind: str) -> list[str]:
        """Return the training configurations of the service, newest first."""
        pages = self._pages("global", "training-config-versions", projectKind=project_kind)
        return sorted((str(item["trainingConfigVersion"]) for item in pages), reverse=True)

    def may_write(self, name: str) -> bool:
        """Return whether the credential may import and train; asks to stop a training that does not exist.

        Raises:
            LabelerError: The service did not say.
        """
        try:
            self._sent("POST", self._url(name, "train", "jobs", _NO_JOB, ":cancel"), "ask for the right to write")
        except AuthenticationError:
            return False
        except ServiceError as error:
            # Whoever may not write is refused before anybody looks for the job.
            if error.status_code not in {400, 404, 409}:
                raise
        return True

    def languages(self, project_kind: str) -> list[str]:
        """Return the language codes that the service takes."""
        return [str(item["languageCode"]) for item in self._pages("global", "languages", projectKind=project_kind)]

    def models(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the trained models of a project."""
        return self._pages(name, "models")

    def deployments(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the deployments of a project."""
        return self._pages(name, "deployments")

    def train(
        self,
        name: str,
        model: str,
        *,
        config_version: str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        wait: bool = True,
    ) -> Job:
        """Train a model and wait for it (hours for large projects); costs money.

        Args:
            name: The project.
            model: What to call the model; a model of this name is replaced.
            config_version: Training configuration; default: the newest of the service.
            evaluation: ``{"kind": "percentage", "trainingSplitPercentage": 80, "testingSplitPercentage": 20}``, or
                ``{"kind": "manual"}`` to use the documents' own ``dataset``.
            wait: False returns the job when it was accepted.

        Raises:
            ServiceError: There is no such project, or the training failed.
        """
        if config_version is None:
            found = self.project(name)
            if found is None:
                raise ServiceError(f"Azure Language: there is no project {name!r} to train", status_code=404)
            versions = self.training_versions(str(found["projectKind"]))
            if not versions:
                raise ServiceError("Azure Language: the service lists no training configuration; give config_version=")
            config_version = versions[0]
        body: dict[str, Any] = {"modelLabel": model, "trainingConfigVersion": config_version}
        if evaluation is not None:
            body["evaluationOptions"] = dict(evaluation)
        return self._job("training", "POST", self._url(name, ":train"), body, wait=wait)

    def training_job(self, name: str, job_id: str) -> Job:
        """Return the present state of a training job."""
        reply = self._sent("GET", self._url(name, "train", "jobs", job_id), f"training job {job_id!r}")
        return job_of("training", reply.body)

    def cancel_training(self, name: str, job_id: str) -> Job:
        """Stop a training job and return its last state."""
        return self._job("training", "POST", self._url(name, "train", "jobs", job_id, ":cancel"), wait=False)

    def deploy(self, name: str, deployment: str, model: str, *, wait: bool = True) -> Job:
        """Make a trained model callable under a deployment name; returns when it is, or without ``wait`` at once."""
        url = self._url(name, "deployments", deployment)
        return self._job("deployment", "PUT", url, {"trainedModelLabel": model}, wait=wait)

    def deployment_job(self, name: str, deployment: str, job_id: str) -> Job:
        """Return the present state of a deployment job."""
        url = self._url(name, "deployments", deployment, "jobs", job_id)
        return job_of("deployment", self._sent("GET", url, f"deployment job {job_id!r}").body)

    def __repr__(self) -> str:
        return f"AzureLanguageClient({self.endpoint!r}, api_version={self.api_version!r})"
