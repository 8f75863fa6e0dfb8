<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     A domain whose disks lie elsewhere; nothing else changes.  The parameter places
     names a document: place elements with dev, type, format and path, drop elements with dev,
     assembled elements with dev, a disk that takes the place of the first of its partitions, from,
     net elements with from and to, an identity with name and uuid, and filled, the elements of
     the firmware that libvirt has chosen.  Unless
     drives=keep those without a place are emptied. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="UTF-8" omit-xml-declaration="yes"/>
  <xsl:param name="places"/>
  <xsl:param name="drives">keep</xsl:param>
  <xsl:variable name="place" select="document($places)/places/place"/>
  <xsl:variable name="assembled" select="document($places)/places/assembled"/>
  <xsl:variable name="drop" select="document($places)/places/drop"/>
  <xsl:variable name="identity" select="document($places)/places/identity"/>
  <xsl:variable name="net" select="document($places)/places/net"/>
  <xsl:variable name="filled" select="document($places)/places/filled"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/name/text()">
    <xsl:choose>
      <xsl:when test="$identity"><xsl:value-of select="$identity/@name"/></xsl:when>
      <xsl:otherwise><xsl:copy/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- The firmware's tables must agree with the domain. -->
  <xsl:template match="/domain/uuid/text() | /domain/sysinfo/system/entry[@name = 'uuid']/text()">
    <xsl:choose>
      <xsl:when test="$identity"><xsl:value-of select="$identity/@uuid"/></xsl:when>
      <xsl:otherwise><xsl:copy/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="/domain/os">
    <xsl:copy>
      <xsl:choose>
        <!-- With a loader, libvirt does not take the wish for one. -->
        <xsl:when test="$filled/loader">
          <xsl:apply-templates select="@*[name() != 'firmware'] | node()[not(self::firmware or self::loader or self::nvram)]"/>
          <xsl:copy-of select="$filled/loader | $filled/nvram"/>
        </xsl:when>
        <xsl:when test="$filled">
          <xsl:apply-templates select="@* | node()[not(self::nvram)]"/>
          <xsl:copy-of select="$filled/nvram"/>
        </xsl:when>
        <xsl:otherwise>
          <xsl:apply-templates select="@* | node()"/>
        </xsl:otherwise>
      </xsl:choose>
    </xsl:copy>
    <xsl:if test="$filled/smm and not(../features)">
      <features>
        <xsl:copy-of select="$filled/smm"/>
      </features>
    </xsl:if>
  </xsl:template>

  <!-- Without it libvirt does not take a loader for secure boot. -->
  <xsl:template match="/domain/features">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
      <xsl:if test="not(smm)">
        <xsl:copy-of select="$filled/smm"/>
      </xsl:if>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/devices/disk">
    <xsl:if test="not(target/@dev = $drop/@dev)">
      <xsl:call-template name="disk"/>
    </xsl:if>
  </xsl:template>

  <xsl:template name="disk">
    <xsl:variable name="mine" select="$place[@dev = current()/target/@dev or
        @dev = $assembled[@from = current()/target/@dev]/@dev]"/>
    <xsl:copy>
      <xsl:choose>
        <xsl:when test="$mine">
          <xsl:call-template name="attributes">
            <xsl:with-param name="type" select="$mine/@type"/>
          </xsl:call-template>
          <xsl:if test="not(driver)">
            <driver name="qemu" type="{$mine/@format}"/>
          </xsl:if>
          <xsl:apply-templates select="node()" mode="moved">
            <xsl:with-param name="mine" select="$mine"/>
          </xsl:apply-templates>
        </xsl:when>
        <xsl:when test="$drives != 'keep' and (@device = 'cdrom' or @device = 'floppy') and source">
          <xsl:call-template name="attributes">
            <xsl:with-param name="type">file</xsl:with-param>
          </xsl:call-template>
          <xsl:apply-templates select="node()[not(self::source)]"/>
        </xsl:when>
        <xsl:otherwise>
          <xsl:apply-templates select="@* | node()"/>
        </xsl:otherwise>
      </xsl:choose>
    </xsl:copy>
  </xsl:template>

  <!-- In the same order, with another type. -->
  <xsl:template name="attributes">
    <xsl:param name="type"/>
    <xsl:for-each select="@*">
      <xsl:choose>
        <xsl:when test="name() = 'type'">
          <xsl:attribute name="type"><xsl:value-of select="$type"/></xsl:attribute>
        </xsl:when>
        <xsl:otherwise>
          <xsl:copy/>
        </xsl:otherwise>
      </xsl:choose>
    </xsl:for-each>
    <xsl:if test="not(@type)">
      <xsl:attribute name="type"><xsl:value-of select="$type"/></xsl:attribute>
    </xsl:if>
  </xsl:template>

  <xsl:template match="node()" mode="moved">
    <xsl:apply-templates select="."/>
  </xsl:template>

  <xsl:template match="driver" mode="moved">
    <xsl:param name="mine"/>
    <xsl:copy>
      <xsl:call-template name="attributes">
        <xsl:with-param name="type" select="$mine/@format"/>
      </xsl:call-template>
      <xsl:apply-templates select="node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="source" mode="moved">
    <xsl:param name="mine"/>
    <xsl:copy>
      <xsl:choose>
        <xsl:when test="$mine/@type = 'block'">
          <xsl:attribute name="dev"><xsl:value-of select="$mine/@path"/></xsl:attribute>
        </xsl:when>
        <xsl:otherwise>
          <xsl:attribute name="file"><xsl:value-of select="$mine/@path"/></xsl:attribute>
        </xsl:otherwise>
      </xsl:choose>
      <!-- A fence would not stop a start that may leave the disk out. -->
      <xsl:if test="not(starts-with($mine/@path, '/nonexistent/'))">
        <xsl:apply-templates select="@startupPolicy"/>
      </xsl:if>
      <xsl:apply-templates select="node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="target" mode="moved">
    <xsl:param name="mine"/>
    <xsl:copy>
      <xsl:apply-templates select="@*"/>
      <xsl:attribute name="dev"><xsl:value-of select="$mine/@dev"/></xsl:attribute>
    </xsl:copy>
  </xsl:template>

  <!-- Of a partition, not of the disk. -->
  <xsl:template match="readonly" mode="moved">
    <xsl:if test="not($assembled[@from = current()/../target/@dev])">
      <xsl:apply-templates select="."/>
    </xsl:if>
  </xsl:template>

  <xsl:template match="backingStore" mode="moved"/>

  <xsl:template match="/domain/devices/interface/source/@bridge | /domain/devices/interface/source/@network">
    <xsl:attribute name="{name()}">
      <xsl:choose>
        <xsl:when test="$net[@from = current()]">
          <xsl:value-of select="$net[@from = current()]/@to"/>
        </xsl:when>
        <xsl:otherwise>
          <xsl:value-of select="."/>
        </xsl:otherwise>
      </xsl:choose>
    </xsl:attribute>
  </xsl:template>
</xsl:stylesheet>
